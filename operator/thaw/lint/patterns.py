"""Which calls, and reads of attributes, belong to which rule. The first pattern that fits a name is the right one.

A *name* is how a thing came to be, spelled in full: ``boto3.client('ssm').get_parameter()`` is a call of a method of
what a call of ``boto3.client`` gave. Of arguments, only a service's and an environment variable's name are kept.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from typing import Literal

from thaw.lint.values import Bond


@dataclass(frozen=True)
class Pattern:
    """Names that are sightings of one rule.

    :param name: a regular expression that fits the whole name.
    :param bearer: what bears the sighting: the call's result, the object whose method it is, or the first argument.
    :param wants: only with one of these keyword arguments, given as something else than ``None``.
    :param most: only with so many positional arguments at most: ``time.gmtime(0)`` asks no clock.
    :param unless: not with this keyword argument and value.
    """

    code: str
    name: re.Pattern[str]
    bond: Bond = Bond.VALUE
    bearer: Literal["result", "receiver", "argument"] = "result"
    wants: tuple[str, ...] = ()
    most: int | None = None
    unless: tuple[tuple[str, bool], ...] = ()

    def fits(self, name: str, call: ast.Call | None) -> bool:
        """Whether this call (None for a read) is a sighting."""
        if not self.name.fullmatch(name):
            return False
        if self.most is not None and call is not None and len(call.args) > self.most:
            return False
        given = {k.arg: k.value for k in call.keywords} if call else {}
        if self.wants and not any(n in given and not _is(given[n], None) for n in self.wants):
            return False
        return not any(n in given and _is(given[n], value) for n, value in self.unless)


def _is(node: ast.expr, value: bool | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _of(*names: str) -> re.Pattern[str]:
    return re.compile("|".join(names))


CLIENT = r"(boto3|boto3(\.session)?\.Session\(\)|botocore\.session\.(get_session|Session)\(\))\.(client|create_client)"
RESOURCE = r"(boto3|boto3(\.session)?\.Session\(\))\.resource\([^)]*\)(\.[A-Z]\w*\(\))*"
_HTTP = r"(get|post|put|patch|delete|head|options|request|send|stream)"
_HTTP_POOL = r"(requests(\.sessions)?\.[sS]ession\(\)|httpx\.(Async)?Client\(\)|urllib3\.PoolManager\(\))"
_NUMPY = r"numpy\.random"
_SEEDED = rf"random\.Random|{_NUMPY}\.(default_rng|RandomState|Generator|PCG64|MT19937|Philox|SFC64|SeedSequence)"
_STATE = r"(?!seed\b|getstate\b|setstate\b|get_state\b|set_state\b|bit_generator\b)"

KEY_ARGUMENTS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")

PATTERNS: tuple[Pattern, ...] = (
    # Randomness and identifiers.
    Pattern("TH103", _of(rf"({_SEEDED})\(\)"), Bond.HELD),
    Pattern("TH103", _of(r"random\.seed\(\)", rf"{_NUMPY}\.seed\(\)"), Bond.DONE),
    Pattern("TH101", _of(rf"(random|{_NUMPY})\.shuffle\(\)", rf"({_SEEDED})\(\)\.shuffle\(\)"), bearer="argument"),
    Pattern(
        "TH101",
        _of(
            r"uuid\.uuid[14678]\(\)",
            rf"random\.{_STATE}[a-z]\w*\(\)",
            rf"random\.SystemRandom\(\)\.{_STATE}\w+\(\)",
            rf"{_NUMPY}\.{_STATE}[a-z]\w*\(\)",
            rf"({_SEEDED})\(\)\.{_STATE}\w+\(\)",
            r"(ulid\.(new|ULID|ulid)|ulid\.api\.new|shortuuid\.(uuid|random)|nanoid\.generate|ksuid\.(ksuid|Ksuid)|cuid2?\.\w+)\(\)",
            r"shortuuid\.ShortUUID\(\)\.(uuid|random)\(\)",
        ),
    ),
    Pattern(
        "TH102",
        _of(
            r"secrets\.(token_\w+|choice|randbelow|randbits)\(\)",
            r"secrets\.SystemRandom\(\)\.\w+\(\)",
            r"os\.(urandom|getrandom)\(\)",
            r"ssl\.RAND_bytes\(\)",
            r"bcrypt\.gensalt\(\)",
            r"nacl\.utils\.random\(\)",
            r"Crypto(dome)?\.Random\.get_random_bytes\(\)",
            r"cryptography\.fernet\.Fernet\.generate_key\(\)",
            r"cryptography\.hazmat\.primitives\.(asymmetric|ciphers)\..*generate(_private_key|_key)?\(\)",
        ),
    ),
    Pattern(
        "TH105", _of(r"tempfile\.(mkdtemp|mkstemp|mktemp|NamedTemporaryFile|TemporaryDirectory)\(\)"), wants=("dir",)
    ),
    # Who and when.
    Pattern(
        "TH104",
        _of(
            r"socket\.(gethostname|getfqdn|gethostbyname)\(\)",
            r"platform\.(node|uname)\(\)",
            r"os\.uname\(\)",
            r"uuid\.getnode\(\)",
            r"os\.environ\['HOSTNAME'\]",
        ),
    ),
    Pattern(
        "TH201",
        _of(
            r"time\.(time|time_ns|monotonic|monotonic_ns|perf_counter|perf_counter_ns)\(\)",
            r"datetime\.datetime\.(now|utcnow|today)\(\)",
            r"datetime\.date\.today\(\)",
            r"(arrow\.(now|utcnow)|pendulum\.(now|today)|pandas\.Timestamp\.(now|today|utcnow))\(\)",
            r"django\.utils\.timezone\.now\(\)",
        ),
    ),
    Pattern("TH201", _of(r"time\.(localtime|gmtime|ctime)\(\)"), most=0),
    Pattern("TH201", _of(r"time\.strftime\(\)"), most=1),
    # Credentials.
    Pattern("TH301", _of(r"boto3\.setup_default_session\(\)"), Bond.DONE, wants=KEY_ARGUMENTS),
    Pattern(
        "TH301",
        _of(r"boto3(\.session)?\.Session\(\)", rf"({CLIENT}|boto3(\.session)?(\.Session\(\))?\.resource)\([^)]*\)"),
        Bond.HELD,
        wants=KEY_ARGUMENTS,
    ),
    Pattern(
        "TH302",
        _of(
            r".*\.get_frozen_credentials\(\)",
            r".*\.get_credentials\(\)\.(access_key|secret_key|token)",
            rf"{CLIENT}\('sts'\)\.(assume_role\w*|get_session_token|get_federation_token)\(\)",
        ),
    ),
    # Data that grows old.
    Pattern(
        "TH202",
        _of(
            rf"{CLIENT}\('secretsmanager'\)\.(batch_)?get_secret_value\(\)",
            rf"{CLIENT}\('ssm'\)\.get_parameters?(_by_path|_history)?\(\)",
            rf"{CLIENT}\('(appconfig|appconfigdata)'\)\.get_(latest_)?configuration\(\)",
            rf"{CLIENT}\('kms'\)\.(decrypt|generate_data_key\w*)\(\)",
            r"aws_lambda_powertools\.utilities\.parameters\.get_\w+\(\)",
            r"aws_lambda_powertools\.utilities\.parameters\.\w+Provider\(\)\.get(_multiple)?\(\)",
            r"aws_secretsmanager_caching\.SecretCache\(\)\.get_secret_\w+\(\)",
        ),
    ),
    Pattern("TH203", _of(rf"(requests|httpx)\.{_HTTP}\(\)", r"urllib\.request\.urlopen\(\)", r"urllib3\.request\(\)")),
    # Connections.
    Pattern("TH402", _of(rf"{_HTTP_POOL}\.{_HTTP}\(\)"), Bond.HELD, bearer="receiver"),
    Pattern(
        "TH402",
        _of(
            rf"{CLIENT}\([^)]*\)\.(?!meta\b|exceptions\b|get_paginator\b|get_waiter\b|can_paginate\b|close\b|generate_presigned)\w+\(\)",
            rf"{RESOURCE}\.(?!meta\b|get_available_subresources\b|batch_writer\b)[a-z]\w*\(\)",
        ),
        Bond.HELD,
        bearer="receiver",
    ),
    Pattern(
        "TH401",
        _of(
            r"socket\.create_connection\(\)",
            r"(psycopg2?|psycopg\.(Async)?Connection|asyncpg|aiomysql|pymysql|MySQLdb|mysql\.connector|pymssql|pyodbc)\.(connect|Connect)\(\)",
            r"(oracledb|cx_Oracle|snowflake\.connector|redshift_connector|ibm_db|pg8000(\.\w+)?|trino\.dbapi)\.connect\(\)",
            r"(pymysql|MySQLdb)(\.connections)?\.Connection\(\)|mysql\.connector\.MySQLConnection\(\)|asyncpg\.create_pool\(\)",
            r"psycopg2\.pool\.\w*ConnectionPool\(\)",
            r"clickhouse_connect\.get_client\(\)",
            r"sqlalchemy(\.engine)?\.create_engine\(\)\.(connect|begin|raw_connection)\(\)",
            r"cassandra\.cluster\.Cluster\(\)\.connect\(\)",
            r"pika\.BlockingConnection\(\)",
            r"kafka\.(KafkaProducer|KafkaConsumer|KafkaAdminClient)\(\)|confluent_kafka\.(Producer|Consumer)\(\)",
            r"(websocket\.create_connection|websockets(\.\w+)*\.connect)\(\)",
            r"(ldap3\.Connection|imaplib\.IMAP4(_SSL|_stream)?|smtplib\.SMTP_SSL|ftplib\.FTP(_TLS)?|smtplib\.SMTP|poplib\.POP3(_SSL)?)\(\)",
        ),
        Bond.HELD,
    ),
    Pattern("TH401", _of(r"pymongo(\.mongo_client)?\.MongoClient\(\)"), Bond.HELD, unless=(("connect", False),)),
    Pattern("TH401", _of(r"psycopg_pool\.(Async)?ConnectionPool\(\)"), Bond.HELD, unless=(("open", False),)),
    Pattern(
        "TH401",
        _of(
            r"socket\.socket\(\)\.connect(_ex)?\(\)",
            r"http\.client\.HTTPS?Connection\(\)\.(connect|request)\(\)",
            r"paramiko(\.client)?\.SSHClient\(\)\.connect\(\)",
            r"redis(\.client|\.cluster)?\.(Redis|StrictRedis|RedisCluster|from_url)(\.from_url)?\(\)\."
            r"(?!pipeline\b|pubsub\b|lock\b|register_script\b|close\b|connection_pool\b|set_response_callback\b)[a-z]\w*\(\)",
            r"psycopg_pool\.(Async)?ConnectionPool\(\)\.open\(\)",
            r"(elasticsearch|opensearchpy)\.(Elasticsearch|OpenSearch)\(\)(\.\w+)*\.[a-z]\w*\(\)",
        ),
        Bond.HELD,
        bearer="receiver",
    ),
    # What runs on.
    Pattern(
        "TH501",
        _of(
            r"threading\.(Thread|Timer)\(\)\.start\(\)",
            r"multiprocessing(\.context)?\.Process\(\)\.start\(\)",
            r"concurrent\.futures(\.thread|\.process)?\.(Thread|Process)PoolExecutor\(\)\.(submit|map)\(\)",
            r"apscheduler\.schedulers\.background\.BackgroundScheduler\(\)\.start\(\)",
            r"watchdog\.observers\.Observer\(\)\.start\(\)",
        ),
        Bond.DONE,
        bearer="receiver",
    ),
    Pattern(
        "TH501",
        _of(
            r"_thread\.start_new_thread\(\)",
            r"subprocess\.Popen\(\)",
            r"multiprocessing(\.pool|\.dummy)?\.(Pool|ThreadPool|Manager)\(\)",
            r"os\.(fork|spawn\w+|posix_spawnp?)\(\)",
            r"(prometheus_client\.start_http_server|schedule\.run_continuously)\(\)",
        ),
        Bond.DONE,
    ),
)

CLOSING = frozenset(("close", "aclose", "disconnect", "dispose", "logout", "quit", "unbind", "clear"))
STOPPING = frozenset(("join", "wait", "communicate", "shutdown", "stop", "terminate", "kill"))
ENDINGS = CLOSING | STOPPING | {"seed"}
"""Methods after which nothing is open, running or seeded any more."""

REMARKS = frozenset(("debug", "info", "warning", "warn", "error", "exception", "critical", "log"))
"""Methods that write a line and keep nothing."""

MEASURES = frozenset(("len", "isinstance", "issubclass", "type", "bool", "id", "callable", "hasattr"))
"""Functions whose result says nothing of what made their argument unique."""

BORROWING = frozenset(("cursor", "makefile", "channel", "begin", "execution_options", "client", "resource"))
"""Methods whose result keeps alive what their object holds."""


def find(name: str, call: ast.Call | None) -> Pattern | None:
    """The pattern that fits, if any."""
    return next((p for p in PATTERNS if p.fits(name, call)), None)


def keeps(function: str) -> bool:
    """Whether a function that is called for its effect may keep what it is given.

    The standard library's do not, but for the environment and ``setattr``; of other packages' one cannot know.
    """
    package, dot, _ = function.partition(".")
    if function == "setattr" or function.startswith(("os.environ.", "os.putenv")):
        return True
    return bool(dot) and package not in sys.stdlib_module_names
