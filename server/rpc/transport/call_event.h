// Something that happens to a call; what gRPC's completion queue knows as a tag.
#pragma once

namespace torchferry::rpc {

class CallEvent {
 public:
  // On the loop's thread, or on that of its large messages. `ok`: what gRPC's documentation of the operation says.
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
