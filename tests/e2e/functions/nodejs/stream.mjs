// Streams as the event asks for: by Invoke's event itself, by a URL's query.
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export const handler = awslambda.streamifyResponse(async (event, stream) => {
  const asked = event.requestContext ? (event.queryStringParameters ?? {}) : event;
  if (asked.fail === "early") throw new TypeError("before anything");
  if (event.requestContext) {
    const head = { statusCode: 201, headers: { "Content-Type": "text/plain", "X-Path": event.rawPath }, cookies: ["a=b", "c=d"] };
    stream = awslambda.HttpResponseStream.from(stream, head);
  }
  stream.write("first\n");
  await pause(1000);
  if (asked.fail === "late") throw new TypeError("half-way");
  if (asked.fail === "exit") process.exit(3);
  if (asked.fail === "hang") await new Promise(() => setInterval(() => {}, 1000));
  stream.write(`${Date.now()}\n`);
  stream.end();
});
