// A list of listeners to an event, and the calls that tell them.
#pragma once

#include <functional>
#include <map>
#include <utility>

#include "server/base/mutex.h"

namespace torchferry::base {

// Thread-safe. Listeners are called without a lock held: one may subscribe, unsubscribe others, and tell. When two
// threads tell at the same time, one listener may be called by both at once.
template <typename... Args>
class Subscribers {
 public:
  using Listener = std::function<void(const Args&...)>;

  // Each Tell that begins after this calls `listener`, until Unsubscribe. Returns the number for Unsubscribe, never 0.
  int Subscribe(Listener listener) {
    MutexLock lock(mutex_);
    entries_.emplace(++last_, Entry{std::move(listener)});
    return last_;
  }

  // Waits for running calls: after it returns, the listener is neither called nor destroyed. That listener must not
  // call it. Does nothing for a number that is not subscribed.
  void Unsubscribe(int subscription) {
    typename std::map<int, Entry>::node_type last;  // destroyed without the lock
    MutexLock lock(mutex_);
    for (auto it = entries_.find(subscription); it != entries_.end(); it = entries_.find(subscription)) {
      it->second.is_leaving = true;
      if (it->second.calls == 0) {
        last = entries_.extract(it);
        return;
      }
      call_ended_.Wait(mutex_);
    }
  }

  // Calls every listener on this thread, in the order in which they subscribed.
  void Tell(const Args&... args) {
    const int last = Last();
    for (int previous = 0; Entry* const entry = Begin(previous, last);) {
      entry->listener(args...);
      End(*entry);
    }
  }

 private:
  struct Entry {
    Listener listener;        // constant
    int calls = 0;            // running; the entry stays while there are any
    bool is_leaving = false;  // no further calls begin
  };

  int Last() {
    MutexLock lock(mutex_);
    return last_;
  }

  // Begins a call of the first listener after `previous` that is not newer than `last`. Null when there are no more.
  Entry* Begin(int& previous, int last) {
    MutexLock lock(mutex_);
    for (auto it = entries_.upper_bound(previous); it != entries_.end() && it->first <= last; ++it) {
      if (it->second.is_leaving) continue;
      previous = it->first;
      ++it->second.calls;
      return &it->second;
    }
    return nullptr;
  }

  void End(Entry& entry) {
    MutexLock lock(mutex_);
    if (--entry.calls == 0) call_ended_.NotifyAll();
  }

  Mutex mutex_;
  CondVar call_ended_;
  std::map<int, Entry> entries_ FERRY_GUARDED_BY(mutex_);
  int last_ FERRY_GUARDED_BY(mutex_) = 0;
};

}  // namespace torchferry::base
