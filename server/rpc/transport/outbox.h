// Sends the answers of a batch, those of one connection together.
#pragma once

#include <cstdint>
#include <vector>

#include "server/rpc/transport/client_sockets.h"

namespace torchferry::rpc {

// gRPC writes each answer to its socket by itself. Each write then makes a segment, and wakes the client. A loop
// therefore keeps the answers of a batch until the batch has ended. Answers of one connection then go in a row while
// its socket is corked (TCP_CORK), and leave as one segment, or as few.
//
// Not thread-safe.
class Outbox {
 public:
  // An answer to be sent.
  class Letter {
   public:
    // Called once. The letter may be gone when it returns.
    virtual void Send() = 0;
    virtual uint16_t client_port() const = 0;

   protected:
    ~Letter() = default;
  };

  explicit Outbox(const ClientSockets& sockets) : sockets_(sockets) {}

  // While it lives, this thread's letters are kept in `outbox`. They are sent at its end.
  class Collecting {
   public:
    explicit Collecting(Outbox& outbox) { current_ = &outbox; }
    ~Collecting() {
      Outbox& outbox = *current_;
      current_ = nullptr;
      outbox.SendAll();
    }
    Collecting(const Collecting&) = delete;
    Collecting& operator=(const Collecting&) = delete;
  };

  // Sends `letter` now, or where this thread collects letters, with them.
  static void Send(Letter& letter) {
    if (current_ == nullptr) return letter.Send();
    current_->letters_.push_back({letter.client_port(), &letter});
  }

  // Fewer letters to a connection are not worth the two system calls.
  static constexpr size_t kWorthwhile = 2;

 private:
  struct Entry {
    uint16_t port = 0;
    Letter* letter = nullptr;
  };

  void SendAll();
  void SendTo(uint16_t port, const Entry* begin, const Entry* end);

  static thread_local inline Outbox* current_ = nullptr;

  const ClientSockets& sockets_;
  std::vector<Entry> letters_;
};

}  // namespace torchferry::rpc
