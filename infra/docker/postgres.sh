#!/usr/bin/env bash
# postgres.sh primary: makes a database at the first start, and serves it.
# postgres.sh replica HOST: copies the primary at HOST at the first start, and streams its changes from then on.
# The only user is watershed; its password is the token of the admin API.
set -euo pipefail

role=${1:?primary, or replica HOST}
home=/var/lib/postgresql/data
data=$home/database
complete=$home/complete # a start that was cut short begins anew
token=/run/watershed/token

create() {
  initdb --pgdata="$data" --username=watershed --pwfile="$token" --auth-host=scram-sha-256 --auth-local=trust >/dev/null
  {
    echo "host all watershed all scram-sha-256"
    echo "host replication watershed all scram-sha-256"
  } >>"$data/pg_hba.conf"
  # Without the network: nobody sees the database before it is whole.
  pg_ctl --pgdata="$data" --silent --wait --options="-c listen_addresses= -c unix_socket_directories=/tmp" start >/dev/null
  psql --host=/tmp --username=watershed --dbname=postgres --quiet --set=ON_ERROR_STOP=1 <<'SQL'
CREATE DATABASE watershed;
\connect watershed
CREATE TABLE films (id int PRIMARY KEY, title text NOT NULL);
INSERT INTO films SELECT i, 'Film ' || i FROM generate_series(1, 1000) AS i;
SQL
  pg_ctl --pgdata="$data" --silent --wait --mode=fast stop >/dev/null
}

copy() { # copy HOST
  PGPASSWORD=$(cat "$token") pg_basebackup --host="$1" --username=watershed --pgdata="$data" \
    --wal-method=stream --checkpoint=fast --write-recovery-conf
}

if [ ! -e "$complete" ]; then
  rm -rf "$data"
  case $role in
    primary) create ;;
    replica) copy "${2:?HOST of the primary}" ;;
    *)
      echo "postgres.sh: expected primary, or replica HOST, got \"$role\"" >&2
      exit 2
      ;;
  esac
  touch "$complete"
fi

# wal_keep_size in place of slots: a replica that is gone for good does not fill the disk of the primary.
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp -c shared_buffers=32MB \
  -c wal_keep_size=256MB -c hot_standby=on
