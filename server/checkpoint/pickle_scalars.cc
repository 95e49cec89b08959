// Opcodes that push one plain value, and those of the memo.
#include <bit>
#include <charconv>
#include <limits>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"
#include "server/checkpoint/pickle_machine.h"

namespace torchferry::checkpoint {
namespace {

constexpr uint64_t kNewestProtocol = 5;

PickleNode IntNode(int64_t value) {
  PickleNode node;
  node.kind = PickleKind::kInt;
  node.integer = value;
  return node;
}

PickleNode BoolNode(bool value) {
  PickleNode node;
  node.kind = PickleKind::kBool;
  node.integer = value ? 1 : 0;
  return node;
}

// Two's complement, little-endian, as LONG1 writes it: the last byte carries the sign.
PickleNode LongNode(std::string_view bytes) {
  if (bytes.size() > sizeof(int64_t)) {
    PickleNode node;
    node.kind = PickleKind::kBigInt;
    node.text = bytes;
    return node;
  }
  const bool is_negative = !bytes.empty() && (static_cast<uint8_t>(bytes.back()) & 0x80) != 0;
  uint64_t value = is_negative ? ~uint64_t{0} : 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return IntNode(static_cast<int64_t>(value));
}

}  // namespace

absl::Status PickleMachine::Proto() {
  FERRY_ASSIGN_OR_RETURN(const uint64_t protocol, TakeUnsigned(1));
  if (protocol > kNewestProtocol) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "pickle protocol {}; up to {} are read", protocol,
                            kNewestProtocol);
  }
  return absl::OkStatus();
}

// A frame only tells a stream reader how much to fetch.
absl::Status PickleMachine::Frame() {
  FERRY_ASSIGN_OR_RETURN(const uint64_t size, TakeUnsigned(8));
  if (size > input_.size() - position_) {
    tree_.breaks_off = true;
    return base::MakeStatus(absl::StatusCode::kDataLoss, "a frame of {} bytes, and {} are left", size,
                            input_.size() - position_);
  }
  return absl::OkStatus();
}

absl::Status PickleMachine::Stop() {
  if (!marks_.empty()) return absl::DataLossError("a MARK is still open");
  FERRY_ASSIGN_OR_RETURN(tree_.root, Pop());
  stopped_ = true;
  return absl::OkStatus();
}

absl::Status PickleMachine::None() { return Push({}); }

template <bool kValue>
absl::Status PickleMachine::Bool() {
  return Push(BoolNode(kValue));
}
template absl::Status PickleMachine::Bool<false>();
template absl::Status PickleMachine::Bool<true>();

absl::Status PickleMachine::IntLine() {
  FERRY_ASSIGN_OR_RETURN(const std::string_view line, TakeLine());
  // Protocol 1 spells booleans so.
  if (line == "00" || line == "01") return Push(BoolNode(line == "01"));
  int64_t value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (error != std::errc() || end != line.data() + line.size()) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "{} is no 64-bit integer", Quoted(line));
  }
  return Push(IntNode(value));
}

template <size_t kBytes>
absl::Status PickleMachine::Unsigned() {
  FERRY_ASSIGN_OR_RETURN(const uint64_t value, TakeUnsigned(kBytes));
  return Push(IntNode(static_cast<int64_t>(value)));
}
template absl::Status PickleMachine::Unsigned<1>();
template absl::Status PickleMachine::Unsigned<2>();

absl::Status PickleMachine::SignedInt4() {
  FERRY_ASSIGN_OR_RETURN(const uint64_t value, TakeUnsigned(4));
  return Push(IntNode(static_cast<int32_t>(static_cast<uint32_t>(value))));
}

template <size_t kLengthBytes>
absl::Status PickleMachine::Long() {
  FERRY_ASSIGN_OR_RETURN(const uint64_t size, TakeUnsigned(kLengthBytes));
  FERRY_ASSIGN_OR_RETURN(const std::string_view bytes, Take(size));
  return Push(LongNode(bytes));
}
template absl::Status PickleMachine::Long<1>();
template absl::Status PickleMachine::Long<4>();

absl::Status PickleMachine::Float() {
  FERRY_ASSIGN_OR_RETURN(const std::string_view bytes, Take(8));
  uint64_t bits = 0;  // big-endian, unlike everything else
  for (const char c : bytes) bits = bits << 8 | static_cast<uint8_t>(c);
  PickleNode node;
  node.kind = PickleKind::kFloat;
  node.real = std::bit_cast<double>(bits);
  return Push(std::move(node));
}

template <PickleKind kKind, size_t kLengthBytes>
absl::Status PickleMachine::Text() {
  FERRY_ASSIGN_OR_RETURN(const uint64_t size, TakeUnsigned(kLengthBytes));
  PickleNode node;
  node.kind = kKind;
  FERRY_ASSIGN_OR_RETURN(node.text, Take(size));
  return Push(std::move(node));
}
template absl::Status PickleMachine::Text<PickleKind::kString, 1>();
template absl::Status PickleMachine::Text<PickleKind::kString, 4>();
template absl::Status PickleMachine::Text<PickleKind::kString, 8>();
template absl::Status PickleMachine::Text<PickleKind::kBytes, 1>();
template absl::Status PickleMachine::Text<PickleKind::kBytes, 4>();
template absl::Status PickleMachine::Text<PickleKind::kBytes, 8>();

template <size_t kBytes>
absl::Status PickleMachine::Put() {
  FERRY_ASSIGN_OR_RETURN(const uint64_t index, TakeUnsigned(kBytes));
  if (index >= limits::kMaxPickleValues) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "memo entry {}; at most {} are kept", index,
                            limits::kMaxPickleValues);
  }
  FERRY_ASSIGN_OR_RETURN(const PickleRef top, Top());
  if (index >= memo_.size()) memo_.resize(index + 1, kNoPickleRef);
  memo_[index] = top;
  return absl::OkStatus();
}
template absl::Status PickleMachine::Put<1>();
template absl::Status PickleMachine::Put<4>();

template <size_t kBytes>
absl::Status PickleMachine::Get() {
  FERRY_ASSIGN_OR_RETURN(const uint64_t index, TakeUnsigned(kBytes));
  if (index >= memo_.size() || memo_[index] == kNoPickleRef) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "memo entry {} was never set", index);
  }
  return PushRef(memo_[index]);
}
template absl::Status PickleMachine::Get<1>();
template absl::Status PickleMachine::Get<4>();

absl::Status PickleMachine::Memoize() {
  if (memo_.size() >= limits::kMaxPickleValues) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "more than {} memo entries", limits::kMaxPickleValues);
  }
  FERRY_ASSIGN_OR_RETURN(const PickleRef top, Top());
  memo_.push_back(top);
  return absl::OkStatus();
}

}  // namespace torchferry::checkpoint
