"""Every binary describes every service that it lists, through both reflection protocols."""

import json
import unittest

from google.protobuf import descriptor_pb2

from harness import Client, Protos, Suite

EXPECTED = {
    "migration": {"lockstep.migration.v1.MigrationService", "lockstep.migration.v1.RegistryService"},
    "catalog": {"lockstep.catalog.v1.PlatformService", "lockstep.catalog.v1.SupplierService",
                "lockstep.catalog.v1.ProductService", "lockstep.catalog.v1.InventoryService"},
    "orders": {"lockstep.orders.v1.OrderService", "lockstep.orders.v1.ImportService"},
    "finance": {"lockstep.finance.v1.ExpenseService", "lockstep.finance.v1.ReportService"},
}


class Reflection(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Suite().__enter__()
        cls.addClassCleanup(cls.suite.__exit__, None, None, None)
        cls.suite.bootstrap()
        cls.suite.lockstep("upgrade", direct=True)
        cls.suite.start()

    def ask(self, service, version, **request):
        module = Protos.load(f"grpc.reflection.{version}.reflection")
        client = Client(f"127.0.0.1:{self.suite.ports[service]}", f"grpc.reflection.{version}.ServerReflection", module)
        request_type, response_type = client._types("ServerReflectionInfo")
        with client.channel:
            call = client.channel.stream_stream(client._path("ServerReflectionInfo"), request_type.SerializeToString,
                                                response_type.FromString)
            return next(call(iter([request_type(**request)]), timeout=10))

    def test_every_listed_service_can_be_described(self):
        for service, expected in EXPECTED.items():
            for version in ("v1", "v1alpha"):
                with self.subTest(service=service, version=version):
                    answer = self.ask(service, version, list_services="")
                    listed = {entry.name for entry in answer.list_services_response.service}
                    self.assertLessEqual(expected | {"grpc.health.v1.Health"}, listed)
                    for name in listed:
                        described = self.ask(service, version, file_containing_symbol=name)
                        files = [descriptor_pb2.FileDescriptorProto.FromString(text)
                                 for text in described.file_descriptor_response.file_descriptor_proto]
                        services = {f"{file.package}.{entry.name}" for file in files for entry in file.service}
                        self.assertIn(name, services)

    def test_a_second_instance_on_the_same_port_fails_with_a_clear_message(self):
        import subprocess
        from harness import BINARIES

        done = subprocess.run([BINARIES / "lockstep-catalog", "--listen", f"127.0.0.1:{self.suite.ports['catalog']}"],
                              env=self.suite.env(LOCKSTEP_DATABASE_URL=self.suite.url("catalog_app")),
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn(str(self.suite.ports["catalog"]), done.stderr)

    def test_orders_needs_the_unified_statuses(self):
        # They are unified by b1e7309cd542, before the revision that orders requires.
        instances = json.loads(self.suite.lockstep("instances", "--json").stdout)["instances"]
        self.assertEqual([each["required_revision"] for each in instances if each["service"] == "orders"], ["5c2e91f0a7d4"])
        done = self.suite.lockstep("downgrade", "orders@84bc4d8b03ef", check=False)
        self.assertEqual(done.returncode, 5, done.stdout + done.stderr)
        self.assertIn("required by running instances: ", done.stderr)

    def test_another_address_needs_insecure(self):
        import subprocess
        from harness import BINARIES

        done = subprocess.run([BINARIES / "lockstep-catalog", "--listen", "0.0.0.0:0"],
                              env=self.suite.env(LOCKSTEP_DATABASE_URL=self.suite.url("catalog_app")),
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--insecure", done.stderr)


if __name__ == "__main__":
    unittest.main()
