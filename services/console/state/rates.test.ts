import { describe, expect, it } from "vitest";
import { readMetrics } from "./metrics-text.ts";
import { RateMeter, metricNames } from "./rates.ts";

const reading = (answered: number, failed: number, checks: number) =>
  readMetrics(
    [
      `watershed_http_requests_total{route="0",pool="api",status="200"} ${answered}`,
      `watershed_http_requests_total{route="0",pool="api",status="503"} ${failed}`,
      `watershed_http_requests_total{route="health",pool="",status="200"} ${checks}`,
      `watershed_attempts_total{pool="api",endpoint="127.0.0.1:1",result="OK"} ${answered}`,
    ].join("\n"),
    metricNames,
  );

describe("rates", () => {
  it("are means over the last seconds, without the checks of the tier above", () => {
    const meter = new RateMeter();
    expect(meter.push(reading(0, 0, 0), 0).of("node")).toBe(0);
    const rates = meter.push(reading(20, 4, 100), 2_000);
    expect([rates.of("node"), rates.of("errors"), rates.of("endpoint api 127.0.0.1:1")]).toEqual([12, 2, 10]);
  });

  it("follow a change within the window", () => {
    const meter = new RateMeter();
    let last = 0;
    for (let second = 0; second <= 10; second++)
      last = meter.push(reading(second < 5 ? second * 100 : 500, 0, 0), second * 1_000).of("node");
    expect(last).toBe(0);
  });

  it("of a node that began anew are never negative", () => {
    const meter = new RateMeter();
    meter.push(reading(1_000, 0, 0), 0);
    expect(meter.push(reading(5, 0, 0), 1_000).of("node")).toBe(0);
    meter.reset();
    expect(meter.push(reading(5, 0, 0), 2_000).of("node")).toBe(0);
  });
});
