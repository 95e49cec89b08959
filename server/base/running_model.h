// The model that the calling thread works for: for messages of libraries, which do not know it.
#pragma once

#include <string>
#include <string_view>

namespace torchferry::base {

// While it lives, RunningModel::Name is `name` on this thread. `name` must outlive it. Costs two stores.
class RunningModel {
 public:
  explicit RunningModel(const std::string& name) : before_(current_) { current_ = &name; }
  ~RunningModel() { current_ = before_; }
  RunningModel(const RunningModel&) = delete;
  RunningModel& operator=(const RunningModel&) = delete;

  // Empty: the thread runs no model, or a library started it.
  static std::string_view Name() { return current_ == nullptr ? std::string_view() : std::string_view(*current_); }

 private:
  inline static thread_local const std::string* current_ = nullptr;
  const std::string* const before_;
};

}  // namespace torchferry::base
