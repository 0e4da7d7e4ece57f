import multiprocessing
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from threading import Thread


def poll():
    ...


class Poller(Thread):
    def run(self):
        poll()


Thread(target=poll, daemon=True).start()  # expect: TH501
worker = threading.Thread(target=poll)
worker.start()  # expect: TH501
Poller().start()  # expect: TH501
timer = threading.Timer(60, poll)
timer.start()  # expect: TH501
child = subprocess.Popen(["sleep", "60"])  # expect: TH501
workers = multiprocessing.Pool(2)  # expect: TH501
executor = ThreadPoolExecutor()
future = executor.submit(poll)  # expect: TH501


def handler(event, context):
    return child.pid
