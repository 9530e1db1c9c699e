"""Starts the real binaries on a database of their own and talks to them as other programs would.

Needs the test cluster of tests/support/cluster.sh; CTest starts it and passes LOCKSTEP_TEST_CLUSTER_DIR,
LOCKSTEP_SOURCE_DIR and LOCKSTEP_BINARY_DIR. Run a test by hand with `ctest -R e2e_` in the build folder.
"""

import contextlib
import importlib
import itertools
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

import grpc

SOURCE = pathlib.Path(os.environ.get("LOCKSTEP_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
BINARIES = pathlib.Path(os.environ.get("LOCKSTEP_BINARY_DIR", SOURCE / "build" / "dev" / "bin"))
CLUSTER = os.environ.get("LOCKSTEP_TEST_CLUSTER_DIR", str(SOURCE / "build" / "dev" / "test-cluster"))
SERVICES = ("migration", "catalog", "orders", "finance")
REAL_REPORT = SOURCE.parent / "shared" / "data" / "stockx_seller_report.csv"
MIGRATIONS = SOURCE / "migrations"


def cluster_url(cluster=CLUSTER):
    return subprocess.check_output([SOURCE / "tests/support/cluster.sh", "url", cluster], text=True).strip()


class OwnCluster:
    """A PostgreSQL cluster of a test's own, to stop the server. A context manager; `folder` is for Suite."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="lockstep-own-")
        self.folder = self._folder.name
        self._run("start")
        return self

    def __exit__(self, *_):
        self._run("stop")
        self._folder.cleanup()

    def halt(self):
        """Crashes the server."""
        self._run("halt")

    def resume(self):
        """Starts it again with its data; it accepts connections when this returns."""
        self._run("resume")

    def _run(self, verb):
        # The server outlives the script and must not keep our pipes.
        subprocess.check_call([SOURCE / "tests/support/cluster.sh", verb, self.folder], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL)


def psql(url, sql, check=True):
    """Runs SQL and returns what psql prints, unaligned and without headers."""
    done = subprocess.run(["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", url], input=sql, text=True, capture_output=True)
    if check and done.returncode != 0:
        raise AssertionError(f"psql failed: {done.stderr}\n{sql[:2000]}")
    return done.stdout.strip() if check else done


def wait_until(condition, what, seconds=30.0):
    """Polls until `condition()` is true; fails with `what` after the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


_port_tries = itertools.count(os.getpid() % 1000)


def free_port_base():
    """A port that the five above it follow, all free now, and below those that the kernel hands out by itself: one of
    these would soon be the end of some service's own connection. No two calls of a program get the same."""
    for attempt in itertools.islice(_port_tries, 1200):
        base = 20000 + attempt * 10 % 12000
        with contextlib.ExitStack() as stack:
            try:
                for offset in range(1, 6):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", base + offset))
                return base
            except OSError:
                continue
    raise AssertionError("no five free ports in a row")


class Protos:
    """Python classes of our contracts, compiled by protoc once per test program."""

    _folder = None

    @classmethod
    def load(cls, name):
        """`Protos.load("lockstep.orders.v1.order_service")` returns the module."""
        if cls._folder is None:
            cls._folder = tempfile.TemporaryDirectory(prefix="lockstep-protos-")
            google = SOURCE / "node_modules" / "google-proto-files"
            files = [str(path.relative_to(SOURCE / "proto")) for path in (SOURCE / "proto").rglob("*.proto")]
            files += ["google/type/money.proto", "google/type/date.proto", "google/rpc/error_details.proto",
                      "google/rpc/status.proto", "google/api/field_behavior.proto"]
            subprocess.check_call(["protoc", "-I/usr/include", f"-I{SOURCE / 'proto'}", f"-I{google}",
                                   "-I/usr/share/grpc-proto", f"--python_out={cls._folder.name}", *files,
                                   "grpc/health/v1/health.proto", "grpc/reflection/v1/reflection.proto",
                                   "grpc/reflection/v1alpha/reflection.proto"])
            for package in ("lockstep", "google"):
                # Ours sit beside the installed packages of the same name.
                with contextlib.suppress(ImportError):
                    module = importlib.import_module(package)
                    module.__path__.append(f"{cls._folder.name}/{package}")
            # The installed `grpc` package is a real one, so the health and reflection contracts are reached through it.
            grpc.__path__.append(f"{cls._folder.name}/grpc")
            sys.path.append(cls._folder.name)
        return importlib.import_module(name + "_pb2")


class Client:
    """Calls methods of one service by name, without generated stubs."""

    def __init__(self, address, service, module):
        self.channel = grpc.insecure_channel(address)
        self.service = service
        self.module = module

    def _path(self, method):
        return f"/{self.service}/{method}"

    def _types(self, method):
        descriptor = self.module.DESCRIPTOR.services_by_name[self.service.rsplit(".", 1)[1]].methods_by_name[method]
        from google.protobuf import symbol_database

        prototype = symbol_database.Default().GetPrototype
        return prototype(descriptor.input_type), prototype(descriptor.output_type)

    def request(self, method, **fields):
        return self._types(method)[0](**fields)

    def call(self, method, request=None, timeout=60, **fields):
        request_type, response_type = self._types(method)
        request = request if request is not None else request_type(**fields)
        return self.channel.unary_unary(self._path(method), request_type.SerializeToString,
                                        response_type.FromString)(request, timeout=timeout)

    def stream_in(self, method, requests, timeout=600):
        request_type, response_type = self._types(method)
        return self.channel.stream_unary(self._path(method), request_type.SerializeToString,
                                         response_type.FromString)(requests, timeout=timeout)

    def stream_out(self, method, request=None, timeout=600, **fields):
        request_type, response_type = self._types(method)
        request = request if request is not None else request_type(**fields)
        return self.channel.unary_stream(self._path(method), request_type.SerializeToString,
                                         response_type.FromString)(request, timeout=timeout)


def detail_of(error, kind):
    """The google.rpc detail of this kind ("ErrorInfo") of a grpc.RpcError; an empty one when it has none."""
    status_type = Protos.load("google.rpc.status").Status
    detail_type = getattr(Protos.load("google.rpc.error_details"), kind)
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_type.FromString(value).details:
                if detail.type_url.endswith(f"/google.rpc.{kind}"):
                    return detail_type.FromString(detail.value)
    return detail_type()


def reason_of(error):
    """The ErrorInfo.reason of a grpc.RpcError, or ''."""
    return detail_of(error, "ErrorInfo").reason


def fields_of(error):
    """The fields that the BadRequest of a grpc.RpcError names."""
    return [violation.field for violation in detail_of(error, "BadRequest").field_violations]


class Suite:
    """A database of its own and, on demand, the four services. Use as a context manager."""

    def __init__(self, cluster=CLUSTER):
        self.cluster = cluster
        self.name = "e2e_" + uuid.uuid4().hex[:12]
        base = free_port_base()
        self.ports = {service: base + offset for offset, service in enumerate(SERVICES, start=1)}
        self.processes = {}
        self.logs = tempfile.TemporaryDirectory(prefix="lockstep-e2e-")

    def __enter__(self):
        psql(cluster_url(self.cluster), f"CREATE DATABASE {self.name} TEMPLATE template0")
        return self

    def __exit__(self, *_):
        for service in list(self.processes):
            self.stop(service, signal.SIGKILL)
        psql(cluster_url(self.cluster), f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
        self.logs.cleanup()

    def url(self, user="lockstep_admin"):
        return f"{cluster_url(self.cluster)} dbname={self.name} user={user}"

    def sql(self, text):
        return psql(self.url(), text)

    def env(self, **extra):
        env = {key: value for key, value in os.environ.items() if not key.startswith("LOCKSTEP_KILLPOINT")}
        env.update({f"LOCKSTEP_ENDPOINT_{s.upper()}": f"127.0.0.1:{self.ports[s]}" for s in SERVICES})
        env.update({"LOCKSTEP_MIGRATIONS_DIR": str(MIGRATIONS), "NO_COLOR": "1"}, **extra)
        return env

    def lockstep(self, *args, direct=False, check=True, env=None, **options):
        """Runs the command; returns the CompletedProcess. With direct, on this database in-process."""
        command = [BINARIES / "lockstep", *map(str, args)]
        if direct:
            command += ["--direct", self.url("lockstep_migrator"), "--admin-url", self.url()]
        done = subprocess.run(command, text=True, capture_output=True, env=self.env(**(env or {})),
                              timeout=options.pop("timeout", 300), **options)
        if check and done.returncode != 0:
            raise AssertionError(f"{args} exited with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def bootstrap(self):
        done = subprocess.run([BINARIES / "lockstep", "bootstrap", "--direct", self.url()], text=True,
                              capture_output=True, env=self.env())
        assert done.returncode == 0, done.stderr

    def load_history(self, *args):
        """The historical data at v2.2.1."""
        script = subprocess.check_output([sys.executable, SOURCE / "deploy/demo/generate_history.py", *args], text=True)
        psql(self.url(), script)

    def start(self, *services, env=None, wait=True):
        for service in services or SERVICES:
            self._spawn(service, service, env)
        if wait:
            for service in services or SERVICES:
                self.await_ready(service)

    def start_twin(self, service):
        """One more process of a service on the same database. Returns the name to use in place of the service's."""
        twin = f"{service}-twin"
        self.ports[twin] = free_port_base() + 1
        self._spawn(twin, service)
        self.await_ready(twin)
        return twin

    def _spawn(self, name, service, env=None):
        user = "lockstep_migrator" if service == "migration" else f"{service}_app"
        with open(pathlib.Path(self.logs.name) / f"{name}.log", "ab") as log:
            flags = ["--listen", f"127.0.0.1:{self.ports[name]}"]
            if service == "migration":
                flags += ["--http-listen", f"127.0.0.1:{self.http_port(name)}"]
            self.processes[name] = subprocess.Popen(
                [BINARIES / f"lockstep-{service}", *flags],
                env=self.env(LOCKSTEP_DATABASE_URL=self.url(user), **(env or {})), stdout=log, stderr=log,
                stdin=subprocess.DEVNULL)

    def http_port(self, name="migration"):
        """Health and metrics of a migration process: the port after the four of its block."""
        return self.ports[name] + 4

    def log(self, service):
        return (pathlib.Path(self.logs.name) / f"{service}.log").read_text(errors="replace")

    def await_ready(self, service, seconds=30):
        def ready():
            process = self.processes[service]
            if process.poll() is not None:
                raise AssertionError(f"{service} exited with {process.returncode}:\n{self.log(service)[-3000:]}")
            return self.health(service, "readiness") == "SERVING"

        wait_until(ready, f"{service} ready; log:\n{self.log(service)[-3000:]}", seconds)

    def health(self, service, name=""):
        """SERVING, NOT_SERVING, or '' when there is no answer."""
        health = Protos.load("grpc.health.v1.health")
        client = Client(f"127.0.0.1:{self.ports[service]}", "grpc.health.v1.Health", health)
        with client.channel:
            try:
                status = client.call("Check", service=name, timeout=2).status
            except grpc.RpcError:
                return ""
        return health.HealthCheckResponse.ServingStatus.Name(status)

    def stop(self, service, how=signal.SIGTERM, seconds=30):
        process = self.processes.pop(service)
        if process.poll() is None:
            process.send_signal(how)
        return process.wait(timeout=seconds)

    def client(self, service, full_name, module):
        return Client(f"127.0.0.1:{self.ports[service]}", full_name, Protos.load(module))

    def orders(self):
        return self.client("orders", "lockstep.orders.v1.OrderService", "lockstep.orders.v1.order_service")

    def imports(self):
        return self.client("orders", "lockstep.orders.v1.ImportService", "lockstep.orders.v1.import_service")

    def reports(self):
        return self.client("finance", "lockstep.finance.v1.ReportService", "lockstep.finance.v1.report_service")

    def import_report(self, data, file_name="report.csv", request_id="", chunk=64 << 10, platform="platforms/stockx"):
        """Streams `data` (bytes) to ImportReport and returns the batch."""
        client = self.imports()
        request = client._types("ImportReport")[0]

        def messages():
            first = request()
            first.header.platform = platform
            first.header.file_name = file_name
            first.header.request_id = request_id
            yield first
            for at in range(0, len(data), chunk):
                yield request(chunk=data[at:at + chunk])

        with client.channel:
            return client.stream_in("ImportReport", messages()).batch

    def buf_curl(self, service, method, data):
        """Calls a method as a person would: JSON in, JSON out."""
        buf = next((SOURCE / "node_modules/@bufbuild").glob("buf-linux-*/bin/buf"))
        done = subprocess.run([buf, "curl", "--protocol", "grpc", "--http2-prior-knowledge", "-d", json.dumps(data),
                               f"http://127.0.0.1:{self.ports[service]}/{method}"], text=True, capture_output=True,
                              timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"buf curl {method}: {done.stderr}")
        return json.loads(done.stdout)
