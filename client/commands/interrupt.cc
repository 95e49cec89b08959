#include "client/commands/interrupt.h"

#include <atomic>

namespace torchferry::client {
namespace {

std::atomic<bool> is_interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

void Note(int) { is_interrupted.store(true); }

}  // namespace

InterruptScope::InterruptScope() {
  is_interrupted.store(false);
  struct sigaction action {};
  action.sa_handler = Note;
  action.sa_flags = SA_RESETHAND | SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &before_);
}

InterruptScope::~InterruptScope() { sigaction(SIGINT, &before_, nullptr); }

bool InterruptScope::IsInterrupted() const { return is_interrupted.load(); }

}  // namespace torchferry::client
