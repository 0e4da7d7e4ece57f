import shop.ids
from shop import settings
from shop.settings import STARTED, make_id

RUN = make_id()
OTHER = shop.ids.fresh()


def handler(event, context):
    return [RUN, OTHER, STARTED, settings.MODE]
