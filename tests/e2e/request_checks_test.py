"""What every request of every service is checked for, found by descriptor: a field that is added is tested at once."""

import re
import unittest
import uuid

import grpc
from google.protobuf import descriptor_pb2, timestamp_pb2
from google.protobuf.descriptor import FieldDescriptor

from contracts_test import EXPECTED
from harness import Protos, Suite, fields_of

SPECIAL = {"google.type.Money", "google.type.Date", "google.protobuf.Timestamp", "google.protobuf.Duration",
           "google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue", "google.protobuf.Any"}
OUTPUT_ONLY = 3  # google.api.FieldBehavior
# What a list wants to know before it looks at its page_token.
PARENTS = {"ListOrderEvents": f"orders/{uuid.uuid4()}", "ListImportRecords": f"importBatches/{uuid.uuid4()}"}


def is_text(field):
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    return field.type == FieldDescriptor.TYPE_STRING or is_map and is_text(field.message_type.fields_by_name["value"])


def is_message(name):
    return lambda field: field.message_type is not None and field.message_type.full_name == name


def paths(message_type, is_wanted, before=()):
    """Every way from a message to a field that `is_wanted`, as a tuple of fields; none through what services set."""
    behavior = Protos.load("google.api.field_behavior").field_behavior
    for field in message_type.fields:
        if OUTPUT_ONLY in field.GetOptions().Extensions[behavior]:
            continue
        inner = field.message_type
        if is_wanted(field):
            yield before + (field,)
        elif inner is not None and inner.full_name not in SPECIAL and inner not in [f.message_type for f in before]:
            yield from paths(inner, is_wanted, before + (field,))


def is_map(field):
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def text_of(path):
    """The path as the services write it: `order.tags[0]`."""
    def step(field):
        if is_map(field):
            return f'{field.name}["key"]'
        return field.name + ("[0]" if field.label == FieldDescriptor.LABEL_REPEATED else "")

    return ".".join(map(step, path))


def put(message, path, value):
    """Sets one field deep in `message`, which is otherwise empty."""
    *way, last = path
    for field in way:
        child = getattr(message, field.name)
        message = child.add() if field.label == FieldDescriptor.LABEL_REPEATED else child
    target = getattr(message, last.name)
    if is_map(last):
        target["key"] = value
    elif last.label == FieldDescriptor.LABEL_REPEATED:
        target.append(value)
    elif last.message_type is not None:
        target.CopyFrom(value)
    else:
        setattr(message, last.name, value)


class RequestChecks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Suite().__enter__()
        cls.addClassCleanup(cls.suite.__exit__, None, None, None)
        cls.suite.bootstrap()
        cls.suite.lockstep("upgrade", direct=True)
        cls.suite.start()
        cls.clients = {}
        for service, names in EXPECTED.items():
            for name in names:
                snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name.rsplit(".", 1)[1]).lower()
                client = cls.suite.client(service, name, f"{name.rsplit('.', 1)[0]}.{snake}")
                cls.clients[name] = client
                cls.addClassCleanup(client.channel.close)

    def methods(self):
        """(client, descriptor of the method, as written in the proto file) of every method."""
        for name, client in self.clients.items():
            file = descriptor_pb2.FileDescriptorProto.FromString(client.module.DESCRIPTOR.serialized_pb)
            service = next(s for s in file.service if s.name == name.rsplit(".", 1)[1])
            descriptor = client.module.DESCRIPTOR.services_by_name[service.name]
            for method in service.method:
                yield client, descriptor.methods_by_name[method.name], method

    def refusal(self, client, method, request):
        """The error of a call; None when there is none."""
        try:
            if method.client_streaming:
                client.stream_in(method.name, iter([request]), timeout=20)
            elif method.server_streaming:
                for _ in client.stream_out(method.name, request, timeout=20):
                    pass
            else:
                client.call(method.name, request, timeout=20)
        except grpc.RpcError as error:
            return error
        return None

    def check(self, is_wanted, *values):
        """Each of `values` in each field that `is_wanted` is refused by name. Returns how many were tried."""
        count = 0
        for client, descriptor, method in self.methods():
            for path in paths(descriptor.input_type, is_wanted):
                for value in values:
                    request = client.request(method.name)
                    put(request, path, value)
                    with self.subTest(method=method.name, field=text_of(path), value=value):
                        self.assert_refused(self.refusal(client, method, request), text_of(path))
                    count += 1
        return count

    def assert_refused(self, error, field):
        self.assertIsNotNone(error, "was accepted")
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT, error.details())
        self.assertTrue([named for named in fields_of(error) if named == field or named.startswith(field + ".")],
                        f"not named: {fields_of(error)}; {error.details()}")

    def test_text_with_u0000_is_refused(self):
        self.assertGreater(self.check(is_text, "a\0b"), 150)

    def test_negative_page_size_is_refused(self):
        self.assertGreater(self.check(lambda field: field.name == "page_size", -1), 10)

    def test_money_out_of_range_or_finer_than_its_currency_is_refused(self):
        money = Protos.load("google.type.money").Money
        self.assertGreater(self.check(is_message("google.type.Money"), money(currency_code="EUR", units=1_000_000),
                                      money(currency_code="EUR", units=-1_000_000),
                                      money(currency_code="EUR", units=1, nanos=1_000_000),
                                      money(currency_code="JPY", units=1, nanos=10_000_000)), 80)

    def test_time_out_of_range_is_refused(self):
        times = [timestamp_pb2.Timestamp(seconds=-62135596801), timestamp_pb2.Timestamp(seconds=253402300800)]
        self.assertGreater(self.check(is_message("google.protobuf.Timestamp"), *times), 20)

    def test_page_token_of_another_query_is_refused(self):
        suppliers = self.clients["lockstep.catalog.v1.SupplierService"]
        for name in ("One", "Two"):
            request = suppliers.request("CreateSupplier")
            request.supplier.supplier_name = f"{name} {uuid.uuid4()}"
            request.supplier.supplier_type = suppliers.module.SUPPLIER_TYPE_ONLINE
            suppliers.call("CreateSupplier", request)
        token = suppliers.call("ListSuppliers", page_size=1).next_page_token
        self.assertTrue(token)
        count = 0
        for client, descriptor, method in self.methods():
            if "page_token" not in descriptor.input_type.fields_by_name:
                continue
            request = client.request(method.name, page_token=token)
            if method.name in PARENTS:
                request.parent = PARENTS[method.name]
            if method.name == "ListSuppliers":
                request.order_by = "created_at"
            with self.subTest(method=method.name):
                self.assert_refused(self.refusal(client, method, request), "page_token")
            count += 1
        self.assertGreater(count, 10)


if __name__ == "__main__":
    unittest.main()
