// What CDK's users write: a function of a folder with SnapStart, its current version and an alias, and one of the lowest level.
const cdk = require("aws-cdk-lib");
const lambda = require("aws-cdk-lib/aws-lambda");
const path = require("node:path");

const app = new cdk.App();
const stack = new cdk.Stack(app, "Stack");
const prefix = new cdk.CfnParameter(stack, "Prefix", { default: "cdk" }).valueAsString;

const greet = new lambda.Function(stack, "Greet", {
  functionName: `${prefix}-greet`,
  runtime: lambda.Runtime.PYTHON_3_13,
  handler: "app.handler",
  code: lambda.Code.fromAsset(path.join(__dirname, "function")),
  snapStart: lambda.SnapStartConf.ON_PUBLISHED_VERSIONS,
  environment: { GREETING: "hello" },
  memorySize: 256,
  timeout: cdk.Duration.seconds(10),
});
new lambda.Alias(stack, "Live", { aliasName: "live", version: greet.currentVersion });

const low = new lambda.CfnFunction(stack, "Low", {
  functionName: `${prefix}-low`,
  runtime: "python3.13",
  handler: "index.handler",
  role: "arn:aws:iam::111122223333:role/low",
  code: { zipFile: "def handler(event, context):\n    return 'low'\n" },
  snapStart: { applyOn: "PublishedVersions" },
});
new lambda.CfnVersion(stack, "LowVersion", { functionName: low.ref, description: "by hand" });

app.synth();
