#include "server/rpc/reflection/reflection_service.h"

#include <utility>

#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "server/base/status.h"
#include "server/rpc/reflection/described_services.h"
#include "server/rpc/transport/outgoing.h"
#include "server/rpc/transport/utf8_message.h"
#include "server/tensor/request_limits.h"

namespace torchferry::rpc {
namespace {

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

template <typename Response>
absl::Status AddFiles(absl::StatusOr<std::vector<std::string>> files, Response& response) {
  if (!files.ok()) return files.status();
  for (std::string& file : *files) {
    response.mutable_file_descriptor_response()->add_file_descriptor_proto(std::move(file));
  }
  return absl::OkStatus();
}

template <typename Request, typename Response>
absl::Status Fill(const DescribedServices& services, const Request& request, Response& response) {
  switch (request.message_request_case()) {
    case Request::kFileByFilename:
      return AddFiles(services.FileNamed(request.file_by_filename()), response);
    case Request::kFileContainingSymbol:
      return AddFiles(services.FileOfSymbol(request.file_containing_symbol()), response);
    case Request::kFileContainingExtension:
      return AddFiles(services.FileOfExtension(request.file_containing_extension().containing_type(),
                                               request.file_containing_extension().extension_number()),
                      response);
    case Request::kAllExtensionNumbersOfType: {
      FERRY_ASSIGN_OR_RETURN(const std::vector<int> numbers,
                             services.ExtensionsOf(request.all_extension_numbers_of_type()));
      auto& answer = *response.mutable_all_extension_numbers_response();
      answer.set_base_type_name(request.all_extension_numbers_of_type());
      answer.mutable_extension_number()->Assign(numbers.begin(), numbers.end());
      return absl::OkStatus();
    }
    case Request::kListServices:
      for (const std::string& name : services.names()) {
        response.mutable_list_services_response()->add_service()->set_name(name);
      }
      return absl::OkStatus();
    case Request::MESSAGE_REQUEST_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("the request asks for nothing; expected list_services or another of its fields");
}

// The longest that is asked for is a name.
template <typename Request>
absl::Status CheckSize(const Request& request) {
  const size_t size = request.ByteSizeLong();
  if (size <= 4 * limits::kMaxNameBytes) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, "the request has {} bytes; expected at most {}", size,
                          4 * limits::kMaxNameBytes);
}

template <typename Request, typename Response>
Response AnswerTo(const DescribedServices& services, const Request& request) {
  Response response;
  absl::Status status = CheckSize(request);
  if (status.ok()) {
    response.set_valid_host(request.host());
    *response.mutable_original_request() = request;
    status = Fill(services, request, response);
  }
  if (!status.ok()) {
    response.mutable_error_response()->set_error_code(static_cast<int>(status.code()));
    response.mutable_error_response()->set_error_message(MessageForField(status));
  }
  return response;
}

// Reads, answers, and reads on: there is always one of the two in flight.
template <typename Api>
class Handler final : public StreamHandler {
 public:
  using Stream = BidiCall<typename Api::Request, typename Api::Response>;

  Handler(const DescribedServices& services, Stream& call) : services_(services), call_(call) { Read(); }

  void OnRead(bool ok, const absl::Status& status) override {
    if (!ok) return call_.Finish(absl::OkStatus());
    if (!status.ok()) return call_.Finish(status);
    identity::Caller caller;
    if (const absl::Status known = call_.Renew(caller); !known.ok()) return call_.Finish(known);
    OutgoingMessage answer;
    answer.Add(AnswerTo<typename Api::Request, typename Api::Response>(services_, request_));
    request_ = {};
    call_.Resize(memory_, 0).IgnoreError();  // it is less
    call_.Write(std::move(answer));
  }
  void OnWritten(bool ok) override { ok ? Read() : call_.Finish(absl::CancelledError("the client went away")); }

 private:
  void Read() { call_.Read(&request_, &memory_); }

  const DescribedServices& services_;
  Stream& call_;
  typename Api::Request request_;
  int64_t memory_ = 0;
};

template <typename Api>
class ReflectionService final : public RpcService {
 public:
  explicit ReflectionService(std::shared_ptr<const DescribedServices> services) : services_(std::move(services)) {}

  grpc::Service& service() override { return service_; }
  void Serve(CallLoop& loop) override {
    RegisterBidi(loop, service_, &Api::Service::AsyncService::RequestServerReflectionInfo,
                 [this](auto& call) { return std::make_unique<Handler<Api>>(*services_, call); });
  }

 private:
  const std::shared_ptr<const DescribedServices> services_;
  RawService<typename Api::Service> service_;
};

}  // namespace

std::vector<std::unique_ptr<RpcService>> MakeReflection(std::vector<std::string> names) {
  names.emplace_back(V1::Service::service_full_name());
  names.emplace_back(V1Alpha::Service::service_full_name());
  const auto services = std::make_shared<const DescribedServices>(std::move(names));
  std::vector<std::unique_ptr<RpcService>> made;
  made.push_back(std::make_unique<ReflectionService<V1>>(services));
  made.push_back(std::make_unique<ReflectionService<V1Alpha>>(services));
  return made;
}

}  // namespace torchferry::rpc
