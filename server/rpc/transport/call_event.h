// An event of a call. It is the tag in gRPC's completion queue.
#pragma once

namespace torchferry::rpc {

class CallEvent {
 public:
  // Called on the loop's thread, or on that of its large messages. `ok`: see gRPC's documentation of the operation.
  virtual void OnEvent(bool ok) = 0;

 protected:
  ~CallEvent() = default;
};

// The event that calls `method` of `Owner`.
template <typename Owner>
class MemberEvent final : public CallEvent {
 public:
  using Method = void (Owner::*)(bool ok);
  MemberEvent(Owner* owner, Method method) : owner_(owner), method_(method) {}
  void OnEvent(bool ok) override { (owner_->*method_)(ok); }

 private:
  Owner* const owner_;
  const Method method_;
};

}  // namespace torchferry::rpc
