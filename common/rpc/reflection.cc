#include "common/rpc/reflection.h"

#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"

namespace lockstep::rpc {
namespace {

// A stream of either version.
class Stream {
 public:
  virtual ~Stream() = default;
  // Ends it as soon as nothing is being written. REQUIRES: the mutex of its Streams held.
  virtual void Close() = 0;
};

}  // namespace

class Reflection::Streams final {
 public:
  absl::Mutex mu;
  std::set<Stream*> open ABSL_GUARDED_BY(mu);
  bool is_closing ABSL_GUARDED_BY(mu) = false;
};

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
    : public grpc::ServerBidiReactor<typename Version::Request, typename Version::Response>,
      public Stream {
 public:
  Reactor(const ServiceNames& names, Reflection::Streams& streams)
      : names_(names), streams_(streams) {
    absl::MutexLock lock(&streams_.mu);
    streams_.open.insert(this);
    if (streams_.is_closing) {
      End(Stopping());
    } else {
      this->StartRead(&request_);
    }
  }

  void OnReadDone(bool ok) override {
    if (ok) response_ = Answer<Version>(request_, names_);
    absl::MutexLock lock(&streams_.mu);
    if (is_ended_) return;
    if (!ok) return End(grpc::Status::OK);
    is_writing_ = true;
    this->StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&streams_.mu);
    is_writing_ = false;
    if (!ok) return End(grpc::Status::CANCELLED);
    if (streams_.is_closing) return End(Stopping());
    this->StartRead(&request_);
  }
  void OnDone() override {
    {
      absl::MutexLock lock(&streams_.mu);
      streams_.open.erase(this);
    }
    delete this;
  }

  void Close() override {
    // An answer that is under way arrives; its end is the stream's.
    if (!is_writing_ && !is_ended_) End(Stopping());
  }

 private:
  static grpc::Status Stopping() {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the process is shutting down");
  }
  // gRPC's reactions run on other threads, so ending under the lock is safe.
  void End(grpc::Status status) {
    is_ended_ = true;
    this->Finish(std::move(status));
  }

  const ServiceNames& names_;
  Reflection::Streams& streams_;
  // These two are guarded by the mutex of `streams_`.
  bool is_writing_ = false;
  bool is_ended_ = false;
  typename Version::Request request_;
  typename Version::Response response_;
};

template <typename Version>
class ReflectionService final : public Version::Service {
 public:
  ReflectionService(const ServiceNames& names, Reflection::Streams& streams)
      : names_(names), streams_(streams) {}

  grpc::ServerBidiReactor<typename Version::Request, typename Version::Response>*
  ServerReflectionInfo(grpc::CallbackServerContext*) override {
    return new Reactor<Version>(names_, streams_);
  }

 private:
  const ServiceNames& names_;
  Reflection::Streams& streams_;
};

}  // namespace

Reflection::Reflection(const ServiceNames& names) : streams_(std::make_unique<Streams>()) {
  services_.push_back(std::make_unique<ReflectionService<V1>>(names, *streams_));
  services_.push_back(std::make_unique<ReflectionService<V1Alpha>>(names, *streams_));
}

Reflection::~Reflection() = default;

std::vector<grpc::Service*> Reflection::services() const {
  std::vector<grpc::Service*> services;
  for (const auto& service : services_) services.push_back(service.get());
  return services;
}

void Reflection::CloseStreams() {
  absl::MutexLock lock(&streams_->mu);
  streams_->is_closing = true;
  for (Stream* stream : streams_->open) stream->Close();
}

}  // namespace lockstep::rpc
