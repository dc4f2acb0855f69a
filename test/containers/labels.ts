/** Compose project of the stack under test. */
export const projectName = "watershed-test";

/** On every container that a test starts alone. */
export const aloneLabel = "watershed.test=alone";

/** What is removed before and after the tests carries one of these. */
export const testLabels = [`com.docker.compose.project=${projectName}`, aloneLabel] as const;
