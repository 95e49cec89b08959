// The restricted pickle machine. It reads a pickle into a PickleTree and executes nothing. It knows the opcodes that
// Python's and PyTorch's picklers write for protocols 1 to 5. It refuses any other, with its name and offset. Calls
// (REDUCE, NEWOBJ, BUILD) become nodes with the callable and its arguments.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "server/checkpoint/pickle_globals.h"
#include "server/checkpoint/pickle_value.h"

namespace torchferry::checkpoint {

// Reads the pickle at the start of `input` into `tree`. DATA_LOSS names opcode and offset. A call of a foreign name
// becomes a kObject like any other; items that are put into that object are dropped. Look at tree.dangerous first, even
// after an error.
absl::Status ReadPickle(std::string_view input, const PickleGlobals& globals, PickleTree& tree);

// The machine itself. Only ReadPickle and the opcode table use it.
class PickleMachine {
 public:
  using Handler = absl::Status (PickleMachine::*)();

  PickleMachine(std::string_view input, const PickleGlobals& globals, PickleTree& tree)
      : input_(input), globals_(globals), tree_(tree) {}
  absl::Status Run();

  // --- opcodes: scalars (pickle_scalars.cc) ---
  absl::Status Proto();
  absl::Status Frame();
  absl::Status Stop();
  absl::Status None();
  template <bool kValue>
  absl::Status Bool();
  absl::Status IntLine();
  template <size_t kBytes>
  absl::Status Unsigned();
  absl::Status SignedInt4();
  template <size_t kLengthBytes>
  absl::Status Long();
  absl::Status Float();
  template <PickleKind kKind, size_t kLengthBytes>
  absl::Status Text();
  template <size_t kBytes>
  absl::Status Put();
  template <size_t kBytes>
  absl::Status Get();
  absl::Status Memoize();

  // --- opcodes: containers (pickle_containers.cc) ---
  absl::Status Mark();
  absl::Status PopOne();
  absl::Status PopMark();
  absl::Status Dup();
  template <PickleKind kKind>
  absl::Status Empty();
  template <PickleKind kKind>
  absl::Status FromMark();
  template <size_t kCount>
  absl::Status ShortTuple();
  absl::Status Append();
  absl::Status Appends();
  absl::Status SetItem();
  absl::Status SetItems();

  // --- opcodes: names and calls (pickle_calls.cc) ---
  absl::Status Global();
  absl::Status StackGlobal();
  absl::Status PersistentId();
  absl::Status Reduce();
  absl::Status NewObject();
  absl::Status NewObjectWithNames();
  absl::Status Build();

 private:
  absl::StatusOr<std::string_view> Take(uint64_t size);
  absl::StatusOr<uint64_t> TakeUnsigned(size_t bytes);
  absl::StatusOr<std::string_view> TakeLine();

  absl::Status Push(PickleNode node);
  absl::Status PushRef(PickleRef ref);
  absl::StatusOr<PickleRef> Pop();
  // The top value, which stays there. It must not lie below the last MARK.
  absl::StatusOr<PickleRef> Top() const;
  absl::StatusOr<std::vector<PickleRef>> PopToMark();

  absl::Status Extend(PickleKind kind, std::span<const PickleRef> items);
  absl::Status PushGlobal(std::string_view module, std::string_view name);
  absl::Status Call(PickleRef callable, PickleRef arguments, bool is_instance);
  static bool IsEnum(const PickleNode& target, const PickleNode& value);
  absl::Status FillMapping(PickleNode& mapping, const PickleNode& arguments);
  void NoteForeignUse(const PickleNode& target, bool ForeignGlobal::*use);
  bool IsForeign(const PickleNode& node) const;

  const std::string_view input_;
  const PickleGlobals& globals_;
  PickleTree& tree_;
  size_t position_ = 0;
  bool stopped_ = false;
  size_t copied_items_ = 0;  // by FillMapping, the one opcode whose result may be larger than its input
  std::vector<PickleRef> stack_;
  std::vector<size_t> marks_;  // stack sizes at each MARK
  std::vector<PickleRef> memo_;
};

struct PickleOpcode {
  uint8_t code;
  std::string_view name;
  PickleMachine::Handler run;  // null: the name is known, and the opcode is refused
};

// Null for a byte that is no opcode.
const PickleOpcode* FindPickleOpcode(uint8_t code);

}  // namespace torchferry::checkpoint
