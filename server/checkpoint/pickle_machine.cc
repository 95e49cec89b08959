#include "server/checkpoint/pickle_machine.h"

#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {

std::string_view Name(PickleKind kind) {
  switch (kind) {
    case PickleKind::kNone:
      return "None";
    case PickleKind::kBool:
      return "bool";
    case PickleKind::kInt:
    case PickleKind::kBigInt:
      return "int";
    case PickleKind::kFloat:
      return "float";
    case PickleKind::kString:
      return "str";
    case PickleKind::kBytes:
      return "bytes";
    case PickleKind::kTuple:
      return "tuple";
    case PickleKind::kList:
      return "list";
    case PickleKind::kDict:
      return "dict";
    case PickleKind::kGlobal:
      return "global name";
    case PickleKind::kObject:
      return "object";
    case PickleKind::kPersistent:
      return "persistent id";
  }
  return "value";
}

absl::Status ReadPickle(std::string_view input, const PickleGlobals& globals, PickleTree& tree) {
  if (input.size() > limits::kMaxPickleBytes) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "the pickle has {} bytes; at most {} are read", input.size(),
                            limits::kMaxPickleBytes);
  }
  return PickleMachine(input, globals, tree).Run();
}

absl::Status PickleMachine::Run() {
  while (!stopped_) {
    const size_t at = position_;
    FERRY_ASSIGN_OR_RETURN(const uint64_t code, TakeUnsigned(1));
    const PickleOpcode* opcode = FindPickleOpcode(static_cast<uint8_t>(code));
    if (opcode == nullptr) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "byte {} is {:#04x}, which is no pickle opcode", at, code);
    }
    if (opcode->run == nullptr) {
      return base::MakeStatus(absl::StatusCode::kDataLoss,
                              "opcode {} at byte {} is not one that PyTorch writes; it is not carried out",
                              opcode->name, at);
    }
    if (absl::Status status = (this->*opcode->run)(); !status.ok()) {
      return base::Annotate(status, fmt::format("opcode {} at byte {}", opcode->name, at));
    }
  }
  tree_.consumed = position_;
  return absl::OkStatus();
}

absl::StatusOr<std::string_view> PickleMachine::Take(uint64_t size) {
  if (size > input_.size() - position_) {
    tree_.breaks_off = true;
    return base::MakeStatus(absl::StatusCode::kDataLoss, "the pickle breaks off: {} more bytes wanted at byte {} of {}",
                            size, position_, input_.size());
  }
  const std::string_view taken = input_.substr(position_, size);
  position_ += size;
  return taken;
}

absl::StatusOr<uint64_t> PickleMachine::TakeUnsigned(size_t bytes) {
  FERRY_ASSIGN_OR_RETURN(const std::string_view taken, Take(bytes));
  uint64_t value = 0;
  for (size_t i = bytes; i-- > 0;) value = value << 8 | static_cast<uint8_t>(taken[i]);
  return value;
}

absl::StatusOr<std::string_view> PickleMachine::TakeLine() {
  const std::string_view rest = input_.substr(position_, limits::kMaxPickleLineBytes + 1);
  const size_t end = rest.find('\n');
  if (end == std::string_view::npos) {
    tree_.breaks_off = rest.size() <= limits::kMaxPickleLineBytes;
    return base::MakeStatus(absl::StatusCode::kDataLoss, "a line of text has no end within {} bytes",
                            limits::kMaxPickleLineBytes);
  }
  position_ += end + 1;
  return rest.substr(0, end);
}

absl::Status PickleMachine::Push(PickleNode node) {
  if (tree_.nodes.size() >= limits::kMaxPickleValues) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "the pickle makes more than {} values",
                            limits::kMaxPickleValues);
  }
  tree_.nodes.push_back(std::move(node));
  return PushRef(static_cast<PickleRef>(tree_.nodes.size() - 1));
}

absl::Status PickleMachine::PushRef(PickleRef ref) {
  if (stack_.size() >= limits::kMaxPickleValues) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "the stack holds more than {} values",
                            limits::kMaxPickleValues);
  }
  stack_.push_back(ref);
  return absl::OkStatus();
}

absl::StatusOr<PickleRef> PickleMachine::Top() const {
  const size_t floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() <= floor) return absl::DataLossError("the stack is empty");
  return stack_.back();
}

absl::StatusOr<PickleRef> PickleMachine::Pop() {
  FERRY_ASSIGN_OR_RETURN(const PickleRef top, Top());
  stack_.pop_back();
  return top;
}

absl::StatusOr<std::vector<PickleRef>> PickleMachine::PopToMark() {
  if (marks_.empty()) return absl::DataLossError("there is no MARK");
  const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<PickleRef> items(begin, stack_.end());
  stack_.erase(begin, stack_.end());
  marks_.pop_back();
  return items;
}

}  // namespace torchferry::checkpoint
