#include "server/rpc/transport/large_messages.h"

#include <utility>

#include "server/base/thread_name.h"

namespace torchferry::rpc {

void LargeMessages::Carry(CallEvent& event, int64_t bytes) {
  if (!Add({&event, bytes})) event.OnEvent(true);
}

bool LargeMessages::Add(const Message& message) {
  base::MutexLock lock(mutex_);
  if (waiting_ > 0 && waiting_ + message.bytes > max_waiting_) return false;
  waiting_ += message.bytes;
  messages_.push_back(message);
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  changed_.NotifyOne();
  return true;
}

void LargeMessages::Stop() {
  std::thread ended;
  {
    base::MutexLock lock(mutex_);
    is_stopped_ = true;
    changed_.NotifyOne();
    ended = std::move(thread_);
  }
  if (ended.joinable()) ended.join();
}

void LargeMessages::Run() {
  base::NameThisThread("rpc-large");
  Message message;
  while ((message = Next(message)).event != nullptr) message.event->OnEvent(true);
}

LargeMessages::Message LargeMessages::Next(const Message& done) {
  base::MutexLock lock(mutex_);
  waiting_ -= done.bytes;
  while (messages_.empty()) {
    if (is_stopped_) return {};
    changed_.Wait(mutex_);
  }
  const Message next = messages_.front();
  messages_.pop_front();
  return next;
}

}  // namespace torchferry::rpc
