"""What runs only as a program does not run at import."""
import threading
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def lambda_handler(event, context):
    return event


if __name__ == "__main__":
    EVENT_ID = uuid.uuid4()
    threading.Thread(target=print).start()
    print(lambda_handler({"id": str(EVENT_ID)}, None))

if __name__ == "__main__" and not EVENT_ID:
    OTHER_ID = uuid.uuid4()
