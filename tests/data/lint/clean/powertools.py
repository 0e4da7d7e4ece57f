"""Logger, tracer, metrics and a resolver at module level."""
from http import HTTPStatus

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="orders")
tracer = Tracer()
metrics = Metrics(namespace="Shop")
app = APIGatewayRestResolver()
logger.append_keys(component="api")
metrics.set_default_dimensions(environment="prod")


@app.get("/orders/<order_id>")
@tracer.capture_method
def get_order(order_id: str):
    limit = parameters.get_parameter("/orders/limit", max_age=60)
    metrics.add_metric(name="OrderRead", unit=MetricUnit.Count, value=1)
    return {"id": order_id, "limit": limit}, HTTPStatus.OK


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict, context: LambdaContext) -> dict:
    return app.resolve(event, context)
