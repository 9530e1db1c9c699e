#include "common/rpc/reflection.h"

#include <set>
#include <utility>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"

namespace lockstep::rpc {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;

// The two versions have the same messages under different package names.
struct V1 {
  using Service = grpc::reflection::v1::ServerReflection::CallbackService;
  using Request = grpc::reflection::v1::ServerReflectionRequest;
  using Response = grpc::reflection::v1::ServerReflectionResponse;
};
struct V1Alpha {
  using Service = grpc::reflection::v1alpha::ServerReflection::CallbackService;
  using Request = grpc::reflection::v1alpha::ServerReflectionRequest;
  using Response = grpc::reflection::v1alpha::ServerReflectionResponse;
};

const DescriptorPool& Pool() { return *DescriptorPool::generated_pool(); }

// `file` and everything that it imports, each once.
template <typename FileResponse>
void AppendFile(const FileDescriptor& file, std::set<const FileDescriptor*>& seen,
                FileResponse& out) {
  if (!seen.insert(&file).second) return;
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  proto.SerializeToString(out.add_file_descriptor_proto());
  for (int i = 0; i < file.dependency_count(); ++i) AppendFile(*file.dependency(i), seen, out);
}

template <typename Response>
void SetNotFound(Response& response, const std::string& what) {
  auto* error = response.mutable_error_response();
  error->set_error_code(grpc::StatusCode::NOT_FOUND);
  error->set_error_message(what + " not found");
}

template <typename Response>
void SetFile(Response& response, const FileDescriptor* file, const std::string& what) {
  if (file == nullptr) return SetNotFound(response, what);
  std::set<const FileDescriptor*> seen;
  AppendFile(*file, seen, *response.mutable_file_descriptor_response());
}

template <typename Response>
void SetExtensionFile(Response& response, const std::string& type, int number) {
  const auto* message = Pool().FindMessageTypeByName(type);
  const FieldDescriptor* extension =
      message == nullptr ? nullptr : Pool().FindExtensionByNumber(message, number);
  SetFile(response, extension == nullptr ? nullptr : extension->file(), "extension of " + type);
}

template <typename Response>
void SetExtensionNumbers(Response& response, const std::string& type) {
  const auto* message = Pool().FindMessageTypeByName(type);
  if (message == nullptr) return SetNotFound(response, type);
  std::vector<const FieldDescriptor*> extensions;
  Pool().FindAllExtensions(message, &extensions);
  auto* out = response.mutable_all_extension_numbers_response();
  out->set_base_type_name(type);
  for (const FieldDescriptor* extension : extensions)
    out->add_extension_number(extension->number());
}

template <typename Version>
typename Version::Response Answer(const typename Version::Request& request,
                                  const ServiceNames& names) {
  using Request = typename Version::Request;
  typename Version::Response response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case Request::kFileByFilename:
      SetFile(response, Pool().FindFileByName(request.file_by_filename()),
              request.file_by_filename());
      break;
    case Request::kFileContainingSymbol:
      SetFile(response, Pool().FindFileContainingSymbol(request.file_containing_symbol()),
              request.file_containing_symbol());
      break;
    case Request::kFileContainingExtension:
      SetExtensionFile(response, request.file_containing_extension().containing_type(),
                       request.file_containing_extension().extension_number());
      break;
    case Request::kAllExtensionNumbersOfType:
      SetExtensionNumbers(response, request.all_extension_numbers_of_type());
      break;
    case Request::kListServices:
      for (const std::string& name : names) {
        response.mutable_list_services_response()->add_service()->set_name(name);
      }
      break;
    case Request::MESSAGE_REQUEST_NOT_SET: {
      auto* error = response.mutable_error_response();
      error->set_error_code(grpc::StatusCode::INVALID_ARGUMENT);
      error->set_error_message("message_request is required");
      break;
    }
  }
  return response;
}

// One stream: a question is read when the answer before it has been sent.
template <typename Version>
class Reactor final
    : public grpc::ServerBidiReactor<typename Version::Request, typename Version::Response> {
 public:
  explicit Reactor(const ServiceNames& names) : names_(names) { this->StartRead(&request_); }

  void OnReadDone(bool ok) override {
    if (!ok) return this->Finish(grpc::Status::OK);
    response_ = Answer<Version>(request_, names_);
    this->StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return this->Finish(grpc::Status::CANCELLED);
    this->StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  const ServiceNames& names_;
  typename Version::Request request_;
  typename Version::Response response_;
};

template <typename Version>
class ReflectionService final : public Version::Service {
 public:
  explicit ReflectionService(const ServiceNames& names) : names_(names) {}

  grpc::ServerBidiReactor<typename Version::Request, typename Version::Response>*
  ServerReflectionInfo(grpc::CallbackServerContext*) override {
    return new Reactor<Version>(names_);
  }

 private:
  const ServiceNames& names_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::Service>> MakeReflectionServices(const ServiceNames& names) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<ReflectionService<V1>>(names));
  services.push_back(std::make_unique<ReflectionService<V1Alpha>>(names));
  return services;
}

}  // namespace lockstep::rpc
