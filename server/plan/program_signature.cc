#include "server/plan/program_signature.h"

#include <absl/strings/ascii.h>

#include <algorithm>
#include <set>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/torch_types.h"
#include "server/plan/lstm_sizes.h"

namespace torchferry::plan {
namespace {

using checkpoint::ExportedProgram;
using checkpoint::ExportedSize;
using checkpoint::ExportedTensor;
using checkpoint::GraphArgument;
using checkpoint::ProgramInput;
using checkpoint::ProgramOutput;
using Kind = GraphArgument::Kind;

absl::StatusOr<ProgramTensor> TensorOf(const ExportedProgram& program, const std::string& what,
                                       const std::string& value) {
  const auto found = program.graph.tensors.find(value);
  if (found == program.graph.tensors.end()) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "the program does not say what its {} is", what);
  }
  const ExportedTensor& tensor = found->second;
  const checkpoint::TorchDType* type = checkpoint::FindTorchDType(tensor.dtype);
  if (type == nullptr || type->dtype == tensor::DType::kInvalid || tensor.layout != "strided") {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "{} is a {} tensor of torch.{}, which has no form on the wire; convert it in forward, and "
                            "export the model again",
                            what, tensor.layout, tensor.dtype);
  }
  ProgramTensor result;
  result.dtype = type->dtype;
  result.sizes = tensor.sizes;
  return result;
}

// kInvalid: it is no number.
tensor::DType NumberType(Kind kind) {
  switch (kind) {
    case Kind::kInt:
    case Kind::kSymInt:
      return tensor::DType::kInt64;
    case Kind::kFloat:
    case Kind::kSymFloat:
      return tensor::DType::kFp32;
    case Kind::kBool:
    case Kind::kSymBool:
      return tensor::DType::kBool;
    default:
      return tensor::DType::kInvalid;
  }
}

// As Python writes it.
std::string ValueText(const GraphArgument& value) {
  switch (value.kind) {
    case Kind::kInt:
      return fmt::format("{}", value.integer);
    case Kind::kFloat:
      return fmt::format("{}", value.number);
    case Kind::kBool:
      return value.integer != 0 ? "True" : "False";
    case Kind::kString:
      return checkpoint::Quoted(value.text);
    case Kind::kNone:
      return "None";
    default:
      return "a constant";
  }
}

class Describer {
 public:
  explicit Describer(const ExportedProgram& program) : program_(program), lstm_sizes_(FindLstmSizes(program.graph)) {}

  absl::StatusOr<ProgramSignature> Run() {
    result_.ranges = program_.ranges;
    for (const ProgramInput& input : program_.inputs) FERRY_RETURN_IF_ERROR(AddInput(input));
    size_t place = 0;
    for (size_t i = 0; i < program_.outputs.size(); ++i) {
      if (program_.outputs[i].kind == ProgramOutput::Kind::kUser) FERRY_RETURN_IF_ERROR(AddOutput(i, place++));
    }
    if (!result_.outputs.empty()) return std::move(result_);
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "the program {} gives no tensor; export a model whose forward gives one",
                            checkpoint::Quoted(program_.name));
  }

 private:
  absl::Status AddInput(const ProgramInput& input) {
    if (input.kind == ProgramInput::Kind::kSpecialised) {
      result_.decisions.push_back(fmt::format(
          "{} was fixed to {} at export: it is no input",
          input.name.empty() ? "an argument" : "argument " + checkpoint::Quoted(input.name), ValueText(input.value)));
      return absl::OkStatus();
    }
    if (input.kind != ProgramInput::Kind::kUser) return absl::OkStatus();
    const auto& inputs = program_.graph.inputs;
    const auto argument = std::ranges::find(inputs, input.name, &GraphArgument::text);
    if (argument == inputs.end()) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "the program's graph does not take its input {}",
                              checkpoint::Quoted(input.name));
    }
    const std::string what = "input " + checkpoint::Quoted(input.name);
    if (argument->kind == Kind::kTensor) {
      FERRY_ASSIGN_OR_RETURN(ProgramTensor tensor, TensorOf(program_, what, input.name));
      tensor.name = input.name;
      result_.inputs.push_back(std::move(tensor));
      return absl::OkStatus();
    }
    if (argument->kind != Kind::kSymInt) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "{} is a float or a bool that varies, which programs are not served with; give forward "
                              "a tensor there, and export the model again",
                              what);
    }
    ProgramTensor number;
    number.name = input.name;
    number.dtype = tensor::DType::kInt64;
    number.is_number = true;
    result_.inputs.push_back(std::move(number));
    return absl::OkStatus();
  }

  absl::Status AddOutput(size_t index, size_t place) {
    const ProgramOutput& output = program_.outputs[index];
    const bool has_key = !output.name.empty() && !absl::ascii_isdigit(output.name.front());
    const std::string name = has_key ? output.name : fmt::format("OUTPUT__{}", place);
    const std::string what = "output " + checkpoint::Quoted(name);
    ProgramTensor tensor;
    if (output.value.kind == Kind::kTensor) {
      FERRY_ASSIGN_OR_RETURN(tensor, TensorOf(program_, what, output.value.text));
      const auto right = lstm_sizes_.right.find(output.value.text);
      if (right != lstm_sizes_.right.end()) tensor.sizes = right->second;
      tensor.are_sizes_known = !lstm_sizes_.unknown.contains(output.value.text);
    } else if (const tensor::DType number = NumberType(output.value.kind); number != tensor::DType::kInvalid) {
      tensor.dtype = number;
      tensor.is_number = true;
    } else {
      result_.decisions.push_back(fmt::format("{} is {}: answers do not have it", what, ValueText(output.value)));
      return absl::OkStatus();
    }
    tensor.name = name;
    for (int i = 1; !names_.insert(tensor.name).second; ++i) tensor.name = fmt::format("{}_{}", name, i);
    tensor.result = index;
    tensor.place = place;
    result_.has_keys |= has_key;
    result_.outputs.push_back(std::move(tensor));
    return absl::OkStatus();
  }

  const ExportedProgram& program_;
  const LstmSizes lstm_sizes_;
  ProgramSignature result_;
  std::set<std::string> names_;
};

std::string WhatOf(const ProgramTensor& tensor, bool is_input) {
  return fmt::format("{} {}", is_input ? "input" : "output", checkpoint::Quoted(tensor.name));
}

std::string SizeText(const ExportedSize& size) {
  if (size.known.has_value()) return fmt::format("{}", *size.known);
  if (size.symbol.empty()) return size.expression;
  return size.factor == 1 ? size.symbol : fmt::format("{}*{}", size.factor, size.symbol);
}

// The line to write at export; `argument`: of forward.
std::string ExportLine(const std::string& argument) {
  return fmt::format(R"(dynamic_shapes={{"{}": {{0: torch.export.Dim("batch", min=1)}}}})", argument);
}

class RowFinder {
 public:
  RowFinder(const ProgramSignature& signature, std::span<const ProgramTensor* const> outputs) : signature_(signature) {
    for (const ProgramTensor& input : signature.inputs) {
      if (!input.is_number) tensors_.push_back({&input, true});
    }
    inputs_ = tensors_.size();
    for (const ProgramTensor* output : outputs) tensors_.push_back({output, false});
  }

  ProgramRows Run() {
    if (inputs_ == 0) return Not("it takes no tensor");
    rows_.fixed = Fixed();
    const std::string symbol = Symbol();
    for (const auto& [tensor, is_input] : tensors_) {
      if (!tensor->are_sizes_known) {
        rows_.may_be_first = true;
        return Not(WhatOf(*tensor, is_input) +
                   " is computed of an LSTM's states, whose shapes PyTorch up to 2.11 writes wrongly. Export it with a "
                   "later PyTorch, or write y[:, -1] or h.reshape(-1, x.shape[0], h.shape[-1]) in forward. Or write "
                   "max_batch_size in config.pbtxt, if its rows come first");
      }
      if (tensor->is_number) return Not(WhatOf(*tensor, is_input) + " is a number");
      if (tensor->sizes.empty()) return Not(WhatOf(*tensor, is_input) + " has no dimension");
      const ExportedSize& size = tensor->sizes.front();
      if (symbol.empty() || size.symbol != symbol) return Other(*tensor, is_input, symbol);
      if (const std::optional<size_t> again = FindAgain(*tensor, symbol)) {
        return Not(fmt::format("dimension {} of {} depends on the rows, too", *again, WhatOf(*tensor, is_input)));
      }
      if (size.factor == 1) continue;
      return Not(fmt::format("dimension 0 of {} is {} rows at a time (exported as {})", WhatOf(*tensor, is_input),
                             size.factor, SizeText(size)));
    }
    Limit(symbol);
    return std::move(rows_);
  }

 private:
  struct Entry {
    const ProgramTensor* tensor;
    bool is_input;
  };

  // Of the first input whose dimension 0 has one.
  std::string Symbol() const {
    for (const auto& [tensor, is_input] : tensors_) {
      if (is_input && !tensor->sizes.empty() && !tensor->sizes.front().symbol.empty()) {
        return tensor->sizes.front().symbol;
      }
    }
    return "";
  }

  // A dimension behind the first whose size has the symbol.
  static std::optional<size_t> FindAgain(const ProgramTensor& tensor, const std::string& symbol) {
    for (size_t i = 1; i < tensor.sizes.size(); ++i) {
      const ExportedSize& size = tensor.sizes[i];
      if (size.symbol == symbol) return i;
      if (!size.known.has_value() && size.symbol.empty() && size.expression.find(symbol) != std::string::npos) return i;
    }
    return std::nullopt;
  }

  int64_t Fixed() const {
    std::optional<int64_t> fixed;
    for (const Entry& entry : tensors_) {
      if (entry.tensor->sizes.empty() || !entry.tensor->sizes.front().known.has_value()) return 0;
      const int64_t size = *entry.tensor->sizes.front().known;
      if (fixed.value_or(size) != size) return 0;
      fixed = size;
    }
    return fixed.value_or(0);
  }

  ProgramRows Not(const std::string& why) {
    rows_.decision = fmt::format("requests share no batch: {}", why);
    return std::move(rows_);
  }

  ProgramRows Static(const ProgramTensor& input, int64_t size) {
    return Not(
        fmt::format("dimension 0 of input {} was fixed to {} at export. For rows of a batch: "
                    "torch.export.export(model, args, {})",
                    checkpoint::Quoted(input.name), size, ExportLine(input.name)));
  }

  // The rows may be in another dimension, as those of an LSTM's state.
  ProgramRows Other(const ProgramTensor& tensor, bool is_input, const std::string& symbol) {
    const auto is_rows = [&](const ExportedSize& size) { return !symbol.empty() && size.symbol == symbol; };
    const auto at = std::ranges::find_if(tensor.sizes, is_rows);
    if (at == tensor.sizes.end()) {
      const ExportedSize& first = tensor.sizes.front();
      if (first.known.has_value() && is_input) return Static(tensor, *first.known);
      return Not(fmt::format("dimension 0 of {} is {}, and not the rows of the other tensors{}",
                             WhatOf(tensor, is_input), SizeText(first),
                             is_input ? ". Give both the same torch.export.Dim at export" : ""));
    }
    return Not(fmt::format("the rows of {} are in dimension {}. Transpose it in forward, so that they come first{}",
                           WhatOf(tensor, is_input), at - tensor.sizes.begin(),
                           is_input ? "" : ", or declare only the other outputs in config.pbtxt"));
  }

  void Limit(const std::string& symbol) {
    rows_.are_first = true;
    std::string limits = "any number of rows";
    if (const auto found = signature_.ranges.find(symbol); found != signature_.ranges.end()) {
      rows_.min = std::max<int64_t>(1, found->second.min);
      rows_.max = found->second.max;
      // Dim.AUTO says 2 of a program that runs one row, too.
      if (rows_.min == 2) rows_.min = 1;
      if (rows_.max.has_value()) {
        limits = fmt::format("{} to {} rows", rows_.min, *rows_.max);
      } else if (rows_.min > 1) {
        limits = fmt::format("{} rows or more", rows_.min);
      }
    }
    rows_.decision = fmt::format("dimension 0 of each tensor is the rows of a batch: exported for {}", limits);
    if (rows_.min > 1) {
      rows_.decision += ". Fewer run as well; where the model treats them otherwise, the program does not";
    }
  }

  const ProgramSignature& signature_;
  std::vector<Entry> tensors_;
  size_t inputs_ = 0;
  ProgramRows rows_;
};

}  // namespace

tensor::Shape ProgramTensor::shape() const {
  tensor::Shape shape;
  for (const ExportedSize& size : sizes) shape.push_back(size.known.value_or(tensor::kAnyDim));
  return shape;
}

absl::StatusOr<ProgramSignature> DescribeProgram(const ExportedProgram& program) { return Describer(program).Run(); }

ProgramRows FindRows(const ProgramSignature& signature, std::span<const ProgramTensor* const> outputs) {
  return RowFinder(signature, outputs).Run();
}

}  // namespace torchferry::plan
