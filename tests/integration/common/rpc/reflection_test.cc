// Reflection, both versions, as inspectors use it.
#include <string>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/descriptor_database.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "tests/integration/common/rpc/echo_server.h"

namespace lockstep::rpc {
namespace {

using ::testing::Contains;
using ::testing::UnorderedElementsAre;

struct V1 {
  using Service = grpc::reflection::v1::ServerReflection;
  using Request = grpc::reflection::v1::ServerReflectionRequest;
  using Response = grpc::reflection::v1::ServerReflectionResponse;
};
struct V1Alpha {
  using Service = grpc::reflection::v1alpha::ServerReflection;
  using Request = grpc::reflection::v1alpha::ServerReflectionRequest;
  using Response = grpc::reflection::v1alpha::ServerReflectionResponse;
};

template <typename Version>
class Reflection : public ::testing::Test {
 protected:
  using Request = typename Version::Request;
  using Response = typename Version::Response;

  Response Ask(const Request& request) {
    grpc::ClientContext context;
    const auto stub = Version::Service::NewStub(server_.channel);
    const auto stream = stub->ServerReflectionInfo(&context);
    EXPECT_TRUE(stream->Write(request));
    Response response;
    EXPECT_TRUE(stream->Read(&response));
    stream->WritesDone();
    EXPECT_OK(FromGrpc(stream->Finish()));
    return response;
  }

  Response AskSymbol(const std::string& symbol) {
    Request request;
    request.set_file_containing_symbol(symbol);
    return Ask(request);
  }

  EchoServer server_;
};

using Versions = ::testing::Types<V1, V1Alpha>;
TYPED_TEST_SUITE(Reflection, Versions);

TYPED_TEST(Reflection, ListsEveryService) {
  typename TypeParam::Request request;
  request.set_list_services("*");
  const auto response = this->Ask(request);
  std::vector<std::string> names;
  for (const auto& service : response.list_services_response().service()) {
    names.push_back(service.name());
  }

  EXPECT_THAT(names,
              UnorderedElementsAre("lockstep.testing.v1.EchoService", "grpc.health.v1.Health",
                                   "grpc.reflection.v1.ServerReflection",
                                   "grpc.reflection.v1alpha.ServerReflection"));
}

TYPED_TEST(Reflection, DescribesEveryListedServiceFromItsFilesAlone) {
  typename TypeParam::Request list;
  list.set_list_services("*");
  const auto listed = this->Ask(list);
  for (const auto& service : listed.list_services_response().service()) {
    const auto response = this->AskSymbol(service.name());
    // What an inspector does: build the files, dependencies first, in a pool of its own.
    google::protobuf::SimpleDescriptorDatabase database;
    for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
      google::protobuf::FileDescriptorProto file;
      ASSERT_TRUE(file.ParseFromString(bytes));
      database.Add(file);
    }
    google::protobuf::DescriptorPool pool(&database);
    const auto* descriptor = pool.FindServiceByName(service.name());
    ASSERT_NE(descriptor, nullptr) << service.name();
    EXPECT_GT(descriptor->method_count(), 0);
  }
}

TYPED_TEST(Reflection, FindsMethodsMessagesAndFiles) {
  for (const char* symbol : {"lockstep.testing.v1.EchoService.Echo", "lockstep.testing.v1.Item",
                             "google.type.Money", "google.rpc.ErrorInfo"}) {
    EXPECT_TRUE(this->AskSymbol(symbol).has_file_descriptor_response()) << symbol;
  }
  typename TypeParam::Request request;
  request.set_file_by_filename("lockstep/testing/v1/echo.proto");
  EXPECT_TRUE(this->Ask(request).has_file_descriptor_response());
}

TYPED_TEST(Reflection, FindsExtensions) {
  typename TypeParam::Request request;
  request.set_all_extension_numbers_of_type("google.protobuf.FieldOptions");
  EXPECT_THAT(this->Ask(request).all_extension_numbers_response().extension_number(),
              Contains(1052));  // google.api.field_behavior
  request.mutable_file_containing_extension()->set_containing_type("google.protobuf.FieldOptions");
  request.mutable_file_containing_extension()->set_extension_number(1052);
  EXPECT_TRUE(this->Ask(request).has_file_descriptor_response());
}

// An inspector that keeps its stream open, as `buf curl` does while its user thinks.
TYPED_TEST(Reflection, OpenStreamDoesNotHoldUpTheShutdown) {
  ServerOptions options = FastServer();
  options.grace = absl::Seconds(60);
  EchoServer server(SmallRunner(), options);
  grpc::ClientContext context;
  const auto stub = TypeParam::Service::NewStub(server.channel);
  const auto stream = stub->ServerReflectionInfo(&context);
  typename TypeParam::Request request;
  request.set_list_services("*");
  ASSERT_TRUE(stream->Write(request));
  typename TypeParam::Response response;
  ASSERT_TRUE(stream->Read(&response));

  const absl::Time start = absl::Now();
  server.server->Shutdown();

  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TYPED_TEST(Reflection, SaysWhatItDoesNotKnow) {
  EXPECT_EQ(this->AskSymbol("no.such.Thing").error_response().error_code(),
            grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(this->Ask({}).error_response().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace lockstep::rpc
