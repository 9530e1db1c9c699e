"""The same request many times at once through two processes of a service: one effect, one answer."""

import concurrent.futures
import unittest
import uuid

import grpc

from harness import Suite, reason_of

COPIES = 50
SERVICE = "lockstep.catalog.v1.SupplierService"
MODULE = "lockstep.catalog.v1.supplier_service"


class Duplicates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Suite().__enter__()
        cls.addClassCleanup(cls.suite.__exit__, None, None, None)
        cls.suite.bootstrap()
        cls.suite.lockstep("upgrade", direct=True)
        cls.suite.start("migration", "catalog")
        cls.clients = [cls.suite.client(name, SERVICE, MODULE) for name in ("catalog", cls.suite.start_twin("catalog"))]
        for client in cls.clients:
            cls.addClassCleanup(client.channel.close)

    def create(self, client, name, request_id):
        request = client.request("CreateSupplier", request_id=request_id)
        request.supplier.supplier_name = name
        request.supplier.supplier_type = client.module.SUPPLIER_TYPE_ONLINE
        return client.call("CreateSupplier", request)

    def suppliers(self, name):
        return self.clients[0].call("ListSuppliers", filter=f'supplier_name = "{name}"').suppliers

    def test_concurrent_copies_have_one_effect_and_one_answer(self):
        name, request_id = f"Copied {uuid.uuid4()}", str(uuid.uuid4())
        with concurrent.futures.ThreadPoolExecutor(max_workers=COPIES) as threads:
            calls = [threads.submit(self.create, self.clients[i % 2], name, request_id) for i in range(COPIES)]
            answers = [call.result() for call in calls]

        for answer in answers:
            self.assertEqual(answer, answers[0])
        self.assertEqual([supplier.name for supplier in self.suppliers(name)], [answers[0].name])

    def test_another_body_with_the_same_id_is_refused_by_either_process(self):
        name, request_id = f"First {uuid.uuid4()}", str(uuid.uuid4())
        other = f"Second {uuid.uuid4()}"
        self.create(self.clients[0], name, request_id)

        for client in self.clients:
            with self.assertRaises(grpc.RpcError) as refused:
                self.create(client, other, request_id)
            self.assertEqual(refused.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
            self.assertEqual(reason_of(refused.exception), "REQUEST_ID_REUSED")
        self.assertEqual(len(self.suppliers(name)), 1)
        self.assertEqual(len(self.suppliers(other)), 0)


if __name__ == "__main__":
    unittest.main()
