#include "server/base/deep_stack.h"

#include <pthread.h>

#include <cstring>
#include <exception>

#include "server/base/status.h"
#include "server/base/thread_name.h"

namespace torchferry::base {
namespace {

struct Task {
  const std::string& name;
  const std::function<void()>& run;
  std::exception_ptr error;
};

void* RunTask(void* argument) {
  Task& task = *static_cast<Task*>(argument);
  NameThisThread(task.name);
  try {
    task.run();
  } catch (...) {
    task.error = std::current_exception();
  }
  return nullptr;
}

}  // namespace

absl::Status RunOnDeepStack(size_t stack_bytes, const std::string& thread_name, const std::function<void()>& run) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  Task task{thread_name, run, nullptr};
  pthread_t thread{};
  int error = pthread_attr_setstacksize(&attributes, stack_bytes);
  if (error == 0) error = pthread_create(&thread, &attributes, &RunTask, &task);
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    return MakeStatus(absl::StatusCode::kResourceExhausted, "no thread with a stack of {} bytes: {}", stack_bytes,
                      std::strerror(error));
  }
  pthread_join(thread, nullptr);
  if (task.error != nullptr) std::rethrow_exception(task.error);
  return absl::OkStatus();
}

}  // namespace torchferry::base
