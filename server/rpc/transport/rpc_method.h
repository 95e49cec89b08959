// Puts a service's methods behind a server's address.
#pragma once

#include <google/protobuf/descriptor.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/async_unary_call.h>

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "server/base/status.h"
#include "server/rpc/transport/call.h"
#include "server/rpc/transport/catch_to_status.h"
#include "server/rpc/transport/utf8_message.h"

namespace torchferry::rpc {

// One of our services: it has methods, and handles their calls. It outlives the server and its loops.
class RpcService {
 public:
  virtual ~RpcService() = default;
  virtual grpc::Service& service() = 0;
  // Takes calls of all methods from now on, on `loop`, whose server has started. To be called once for each loop.
  virtual void Serve(CallLoop& loop) = 0;
};

// The index of the method `Wrapper` in a generated AsyncService, which nests one wrapper for each method.
template <typename AsyncService, typename Wrapper>
struct MethodIndex;
template <template <typename> typename Outer, typename Rest, typename Wrapper>
struct MethodIndex<Outer<Rest>, Wrapper> {
  static constexpr int kValue = 1 + MethodIndex<Rest, Wrapper>::kValue;
};
template <template <typename> typename Outer, typename Rest>
struct MethodIndex<Outer<Rest>, Outer<Rest>> {
  static constexpr int kValue = 0;
};

// The generated AsyncService of `Api` that takes calls of its methods with their messages as bytes.
template <typename Api>
class RawService final : public Api::AsyncService {
 public:
  // The rule of a method, such as "torchferry.v1.InferenceService.Predict".
  template <typename Wrapper>
  static const MethodRule* Rule() {
    const auto* const service =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(Api::service_full_name());
    return &RuleOf(service->method(kIndex<Wrapper>)->full_name());
  }

  template <typename Wrapper>
  void TakeUnary(grpc::ServerContext* context, grpc::ByteBuffer* request,
                 grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>* writer, grpc::ServerCompletionQueue* queue,
                 void* tag) {
    this->RequestAsyncUnary(kIndex<Wrapper>, context, request, writer, queue, queue, tag);
  }
  template <typename Wrapper>
  void TakeBidi(grpc::ServerContext* context, grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>* stream,
                grpc::ServerCompletionQueue* queue, void* tag) {
    this->RequestAsyncBidiStreaming(kIndex<Wrapper>, context, stream, queue, queue, tag);
  }
  template <typename Wrapper>
  void TakeWatch(grpc::ServerContext* context, grpc::ByteBuffer* request,
                 grpc::ServerAsyncWriter<grpc::ByteBuffer>* writer, grpc::ServerCompletionQueue* queue, void* tag) {
    this->RequestAsyncServerStreaming(kIndex<Wrapper>, context, request, writer, queue, queue, tag);
  }

 private:
  template <typename Wrapper>
  static constexpr int kIndex = MethodIndex<typename Api::AsyncService, Wrapper>::kValue;
};

// In the functions below, the unnamed argument is the generated AsyncService's Request… of the method.

// Takes calls that `handler` finishes, on any thread. `waiting`: max calls that may come at the same time without
// waiting for one another.
template <typename Service, typename Owner, typename Request, typename Response>
void RegisterAsyncUnary(CallLoop& loop, RawService<Service>& service,
                        void (Owner::*)(grpc::ServerContext*, Request*, grpc::ServerAsyncResponseWriter<Response>*,
                                        grpc::CompletionQueue*, grpc::ServerCompletionQueue*, void*),
                        std::type_identity_t<std::function<void(UnaryCall<Request, Response>&)>> handler,
                        int waiting = 1) {
  using Kind = UnaryCall<Request, Response>;
  const auto method = std::make_shared<const typename Kind::Method>(
      typename Kind::Method{[&service](auto* context, auto* request, auto* writer, auto* queue, void* tag) {
                              service.template TakeUnary<Owner>(context, request, writer, queue, tag);
                            },
                            std::move(handler), service.template Rule<Owner>()});
  for (int i = 0; i < waiting; ++i) Kind::Await(loop, method);
}

// Takes calls that are answered at once, with text that may come from files.
template <typename Service, typename Owner, typename Request, typename Response>
void RegisterUnary(
    CallLoop& loop, RawService<Service>& service,
    void (Owner::*take)(grpc::ServerContext*, Request*, grpc::ServerAsyncResponseWriter<Response>*,
                        grpc::CompletionQueue*, grpc::ServerCompletionQueue*, void*),
    std::type_identity_t<std::function<absl::Status(const identity::Caller&, const Request&, Response&)>> handler) {
  RegisterAsyncUnary(loop, service, take, [handler = std::move(handler)](UnaryCall<Request, Response>& call) {
    const absl::Status status = CatchToStatus([&] { return handler(call.caller(), call.request(), call.response()); });
    if (status.ok()) MakeUtf8(call.response());
    call.Finish(status);
  });
}

template <typename Service, typename Owner, typename Request, typename Response>
void RegisterBidi(CallLoop& loop, RawService<Service>& service,
                  void (Owner::*)(grpc::ServerContext*, grpc::ServerAsyncReaderWriter<Response, Request>*,
                                  grpc::CompletionQueue*, grpc::ServerCompletionQueue*, void*),
                  typename BidiCall<Request, Response>::Handler handler) {
  using Kind = BidiCall<Request, Response>;
  Kind::Await(loop, std::make_shared<const typename Kind::Method>(
                        typename Kind::Method{[&service](auto* context, auto* stream, auto* queue, void* tag) {
                                                service.template TakeBidi<Owner>(context, stream, queue, tag);
                                              },
                                              std::move(handler), service.template Rule<Owner>()}));
}

template <typename Service, typename Owner, typename Request, typename Response>
void RegisterWatch(CallLoop& loop, RawService<Service>& service,
                   void (Owner::*)(grpc::ServerContext*, Request*, grpc::ServerAsyncWriter<Response>*,
                                   grpc::CompletionQueue*, grpc::ServerCompletionQueue*, void*),
                   typename WatchCall<Request, Response>::Handler handler) {
  using Kind = WatchCall<Request, Response>;
  Kind::Await(loop, std::make_shared<const typename Kind::Method>(typename Kind::Method{
                        [&service](auto* context, auto* request, auto* writer, auto* queue, void* tag) {
                          service.template TakeWatch<Owner>(context, request, writer, queue, tag);
                        },
                        std::move(handler), service.template Rule<Owner>()}));
}

}  // namespace torchferry::rpc
