#include "server/plan/program_config.h"

#include <algorithm>
#include <optional>
#include <set>

#include "server/base/list_text.h"
#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/plan/name_index.h"

namespace torchferry::plan {
namespace {

using config::ModelConfig;
using config::TensorConfig;

template <typename... Args>
absl::Status Precondition(fmt::format_string<Args...> format, Args&&... args) {
  return base::MakeStatus(absl::StatusCode::kFailedPrecondition, format, std::forward<Args>(args)...);
}

// Larger sizes are nobody's.
constexpr int64_t kMaxSize = int64_t{1} << 48;

std::string Names(const std::vector<ProgramTensor>& tensors) {
  return base::ListText(
      tensors, [](const ProgramTensor& tensor) { return checkpoint::Quoted(tensor.name); }, 20);
}

// How the declared tensors are told from one another.
struct Matching {
  std::vector<const ProgramTensor*> by_name;   // as many as are declared, or fewer
  std::vector<const ProgramTensor*> by_index;  // the same; null: no tensor of the program has the index
  bool has_indices = true;                     // each declared name has one
};

// `is_output`: indices count all that the caller gives, None included.
Matching Match(const std::vector<ProgramTensor>& tensors, const std::vector<TensorConfig>& declared, bool is_output) {
  Matching matching;
  for (const TensorConfig& wanted : declared) {
    const auto named = std::ranges::find(tensors, wanted.name, &ProgramTensor::name);
    if (named != tensors.end()) matching.by_name.push_back(&*named);
    const std::optional<size_t> index = TrailingIndex(wanted.name);
    matching.has_indices &= index.has_value();
    if (!index.has_value()) continue;
    const ProgramTensor* found = nullptr;
    for (size_t i = 0; i < tensors.size(); ++i) {
      if ((is_output ? tensors[i].place : i) == *index) found = &tensors[i];
    }
    matching.by_index.push_back(found);
  }
  return matching;
}

class Merger {
 public:
  Merger(const ProgramSignature& program, const ModelConfig& config) : program_(program) { result_.config = config; }

  absl::StatusOr<ProgramConfig> Run() {
    FERRY_ASSIGN_OR_RETURN(const std::vector<const ProgramTensor*> inputs, MatchInputs());
    FERRY_ASSIGN_OR_RETURN(const std::vector<const ProgramTensor*> outputs, MatchOutputs());
    rows_ = FindRows(program_, outputs);
    FERRY_RETURN_IF_ERROR(SetRows());
    for (size_t i = 0; i < inputs.size(); ++i) FERRY_RETURN_IF_ERROR(MergeInput(*inputs[i], config().inputs[i]));
    for (size_t i = 0; i < outputs.size(); ++i) {
      FERRY_RETURN_IF_ERROR(MergeOutput(*outputs[i], config().outputs[i]));
      result_.results.push_back(outputs[i]->result);
    }
    FERRY_RETURN_IF_ERROR(CheckPadding());
    return std::move(result_);
  }

 private:
  ModelConfig& config() { return result_.config; }
  const std::string& source() const { return result_.config.signature_source; }

  // Those of the program, and where none is declared, declares them.
  absl::StatusOr<std::vector<const ProgramTensor*>> MatchInputs() {
    std::vector<TensorConfig>& declared = config().inputs;
    if (declared.empty()) return DeclareAll(program_.inputs, declared);
    are_tensors_declared_ = true;
    if (declared.size() != program_.inputs.size()) {
      return Precondition("{} declares {} inputs, and the program takes {}: {}. Declare these, or none", source(),
                          declared.size(), program_.inputs.size(), Names(program_.inputs));
    }
    const Matching matching = Match(program_.inputs, declared, /*is_output=*/false);
    if (matching.by_name.size() == declared.size()) return matching.by_name;
    std::vector<const ProgramTensor*> match;
    if (matching.has_indices) {
      match = matching.by_index;
    } else {
      for (const ProgramTensor& input : program_.inputs) match.push_back(&input);
    }
    std::set<const ProgramTensor*> seen;
    for (size_t i = 0; i < match.size(); ++i) {
      if (match[i] != nullptr && seen.insert(match[i]).second) {
        if (!matching.has_indices) SayOrder("input", declared[i].name, match[i]->name);
        continue;
      }
      return Precondition("input {} of {} is {} of the program, which takes {}. Call it as one of these",
                          checkpoint::Quoted(declared[i].name), source(),
                          match[i] == nullptr ? "no input" : "the same input as another", Names(program_.inputs));
    }
    return match;
  }

  absl::StatusOr<std::vector<const ProgramTensor*>> MatchOutputs() {
    std::vector<TensorConfig>& declared = config().outputs;
    if (declared.empty()) return DeclareAll(program_.outputs, declared);
    are_tensors_declared_ = true;
    const Matching matching = Match(program_.outputs, declared, /*is_output=*/true);
    if (matching.by_name.size() == declared.size()) return matching.by_name;
    if (program_.has_keys && !matching.has_indices) {
      const auto unknown = std::ranges::find_if(declared, [this](const TensorConfig& output) {
        return std::ranges::find(program_.outputs, output.name, &ProgramTensor::name) == program_.outputs.end();
      });
      return Precondition("{} declares the output {}, and the program gives {}. Declare these, or none", source(),
                          checkpoint::Quoted(unknown->name), Names(program_.outputs));
    }
    std::vector<const ProgramTensor*> match;
    std::set<const ProgramTensor*> seen;
    for (size_t i = 0; i < declared.size(); ++i) {
      const ProgramTensor* output = nullptr;
      if (matching.has_indices) {
        output = matching.by_index[i];
      } else if (i < program_.outputs.size()) {
        output = &program_.outputs[i];
      }
      if (output == nullptr || !seen.insert(output).second) {
        return Precondition("output {} of {} is {} of the program, which gives {}. Declare these, or none",
                            checkpoint::Quoted(declared[i].name), source(),
                            output == nullptr ? "no output" : "the same output as another", Names(program_.outputs));
      }
      if (!matching.has_indices) SayOrder("output", declared[i].name, output->name);
      match.push_back(output);
    }
    return match;
  }

  void SayOrder(std::string_view what, const std::string& declared, const std::string& own) {
    if (declared == own) return;
    result_.decisions.push_back(fmt::format("{} {} of {} is the program's {}, as it stands in that place", what,
                                            checkpoint::Quoted(declared), source(), checkpoint::Quoted(own)));
  }

  // Requests are held against the program's sizes before they are filled up.
  absl::Status CheckPadding() {
    if (!config().pad_to.has_value()) return absl::OkStatus();
    const int64_t longest = config().pad_to->sizes.back();
    for (const tensor::PadPlan::Input& padded : config().pad_to->inputs) {
      const auto input = std::ranges::find(config().inputs, padded.name, &TensorConfig::name);
      if (input == config().inputs.end()) continue;
      for (const tensor::SizeLimit& limit : input->size_limits) {
        if (limit.dimension != padded.dimension || longest <= limit.max.value_or(longest)) continue;
        return Precondition(
            "torchferry.pad_to of config.pbtxt fills input {} up to {}, but the program was exported for up to {} in "
            "dimension {}. Write sizes up to that, or export it for more",
            checkpoint::Quoted(padded.name), longest, *limit.max, limit.dimension);
      }
    }
    return absl::OkStatus();
  }

  // Their dims are set when it is known whether they have rows.
  static std::vector<const ProgramTensor*> DeclareAll(const std::vector<ProgramTensor>& tensors,
                                                      std::vector<TensorConfig>& declared) {
    std::vector<const ProgramTensor*> all;
    for (const ProgramTensor& tensor : tensors) {
      all.push_back(&tensor);
      declared.emplace_back().name = tensor.name;
    }
    return all;
  }

  absl::Status SetRows() {
    const bool says_nothing = !config().is_max_batch_size_given && !are_tensors_declared_;
    const int64_t declared = config().max_batch_size;
    if (declared == 0 && rows_.are_first && says_nothing) {
      const bool has_own = rows_.max.value_or(kMaxOwnRows + 1) <= kMaxOwnRows;
      config().max_batch_size = has_own ? *rows_.max : kDefaultRows;
      config().dynamic_batching.emplace();
      result_.decisions.push_back(rows_.decision);
      result_.decisions.push_back(fmt::format("requests share batches of up to {} rows, {}", config().max_batch_size,
                                              has_own
                                                  ? "as the program was exported for"
                                                  : "the server's limit; max_batch_size in config.pbtxt is another"));
      return absl::OkStatus();
    }
    result_.decisions.push_back(rows_.decision);
    if (declared == 0) {
      if (rows_.are_first) {
        result_.decisions.push_back(config().is_max_batch_size_given
                                        ? "requests share no batch, as max_batch_size is 0"
                                        : fmt::format("requests share no batch, as {} declares tensors and no "
                                                      "max_batch_size",
                                                      source()));
      }
      return absl::OkStatus();
    }
    if (!rows_.are_first && !rows_.may_be_first && !(rows_.fixed == 1 && declared == 1)) {
      return Precondition(
          "{} has max_batch_size: {}, and in the program {}. Remove max_batch_size, or export "
          "the model with rows in dimension 0 of each tensor",
          source(), declared, rows_.decision);
    }
    if (rows_.max.value_or(declared) < declared) {
      return Precondition(
          "{} has max_batch_size: {}, and the program was exported for {} to {} rows. Write "
          "max_batch_size: {}, or export it with torch.export.Dim(\"batch\", min=1, max={})",
          source(), declared, rows_.min, *rows_.max, *rows_.max, declared);
    }
    return absl::OkStatus();
  }

  // As the program has it, without the rows.
  tensor::Shape DimsOf(const ProgramTensor& tensor) {
    tensor::Shape dims = tensor.shape();
    if (config().max_batch_size > 0 && !dims.empty()) dims.erase(dims.begin());
    return dims;
  }

  // Of the sizes that are not the rows, whose number the batch has. A minimum up to 2 is what export writes by itself.
  std::vector<tensor::SizeLimit> LimitsOf(const ProgramTensor& input) {
    std::vector<tensor::SizeLimit> limits;
    for (size_t i = config().max_batch_size > 0 ? 1 : 0; i < input.sizes.size(); ++i) {
      const checkpoint::ExportedSize& size = input.sizes[i];
      if (size.symbol.empty() || size.factor < 1) continue;
      tensor::SizeLimit& limit = limits.emplace_back();
      limit.dimension = i;
      limit.multiple = size.factor;
      limit.symbol = size.symbol;
      const auto found = program_.ranges.find(size.symbol);
      if (found == program_.ranges.end()) continue;
      const auto [min, max] = found->second;
      if (min > 2 && min <= kMaxSize / size.factor) limit.min = min * size.factor;
      // One that cannot be reached is none.
      if (max.has_value() && *max <= kMaxSize / size.factor) limit.max = *max * size.factor;
      if (limit.min == 0 && !limit.max.has_value()) continue;
      result_.decisions.push_back(fmt::format("dimension {} of input {} is {}{}, as the program was exported for", i,
                                              checkpoint::Quoted(input.name), limit.min,
                                              limit.max.has_value() ? fmt::format(" to {}", *limit.max) : " or more"));
    }
    return limits;
  }

  absl::Status MergeNumber(const std::string& what, TensorConfig& declared) {
    declared.dims = {1};
    if (declared.dtype == tensor::DType::kInvalid) declared.dtype = tensor::DType::kInt64;
    if (declared.dtype == tensor::DType::kInt64 || declared.dtype == tensor::DType::kInt32) return absl::OkStatus();
    return Precondition("{} declares {} as {}, and the program takes an int there: declare TYPE_INT64", source(), what,
                        Name(declared.dtype));
  }

  absl::Status MergeInput(const ProgramTensor& input, TensorConfig& declared) {
    const bool is_declared = declared.dtype != tensor::DType::kInvalid;
    const std::string what = fmt::format("input {}", checkpoint::Quoted(declared.name));
    if (declared.is_optional) {
      return Precondition(
          "config.pbtxt says that {} is optional, and the program takes it in each call: remove optional, or export a "
          "program without it",
          what);
    }
    if (input.is_number) return MergeNumber(what, declared);
    if (is_declared && declared.dtype != input.dtype) {
      return Precondition(
          "{} declares {} as {}, and the program takes {}: declare TYPE_{}, or export the model with inputs of {}",
          source(), what, Name(declared.dtype), Name(input.dtype), Name(input.dtype), Name(declared.dtype));
    }
    declared.dtype = input.dtype;
    const tensor::Shape dims = DimsOf(input);
    // A reshape has other dimensions, whose product is checked.
    if (!declared.reshape.has_value()) declared.size_limits = LimitsOf(input);
    if (!is_declared) {
      declared.dims = dims;
      return absl::OkStatus();
    }
    // A file cannot say no dimension: dims: [ 1 ] is one number.
    if (dims.empty() && declared.dims == tensor::Shape{1}) declared.reshape.emplace();
    tensor::Shape own = declared.reshape.value_or(declared.dims);
    bool is_taken = own.size() == dims.size();
    for (size_t i = 0; is_taken && i < dims.size(); ++i) is_taken = MergeSize(input, i, own[i]);
    if (is_taken) {
      if (!declared.reshape.has_value()) declared.dims = std::move(own);
      return absl::OkStatus();
    }
    return Precondition("{} declares {} with dims {}, and the program takes {}{}: declare dims: [ {} ]{}", source(),
                        what, tensor::ToString(own), tensor::ToString(dims),
                        config().max_batch_size > 0 ? " beside the rows" : "", fmt::join(dims, ", "),
                        RankHint(own, dims));
  }

  // The size at `index` of the dims that are declared; what the program has fixed stands.
  bool MergeSize(const ProgramTensor& input, size_t index, int64_t& own) {
    const size_t at = index + (config().max_batch_size > 0 ? 1 : 0);
    const checkpoint::ExportedSize& size = input.sizes.at(at);
    if (size.known.has_value()) {
      if (own != tensor::kAnyDim && own != *size.known) return false;
      own = *size.known;
      return true;
    }
    if (own == tensor::kAnyDim || size.symbol.empty()) return true;
    const auto range = program_.ranges.find(size.symbol);
    if (size.factor < 1 || own % size.factor != 0) return false;
    if (range == program_.ranges.end()) return true;
    const int64_t units = own / size.factor;
    return units <= range->second.max.value_or(units) && (units >= range->second.min || range->second.min <= 2);
  }

  // Dims of all dimensions where the rows are counted, or the reverse.
  std::string RankHint(const tensor::Shape& own, const tensor::Shape& dims) {
    if (config().max_batch_size > 0 && own.size() == dims.size() + 1) {
      return ", without the rows, as max_batch_size is set";
    }
    if (config().max_batch_size == 0 && own.size() + 1 == dims.size() && rows_.are_first) {
      return fmt::format(", or write max_batch_size: {}, with which dims are without the rows", kDefaultRows);
    }
    return "";
  }

  absl::Status MergeOutput(const ProgramTensor& output, TensorConfig& declared) {
    const bool is_declared = declared.dtype != tensor::DType::kInvalid;
    if (is_declared && declared.dtype != output.dtype) {
      return Precondition(
          "{} declares output {} as {}, and the program gives {}: declare TYPE_{}, or convert "
          "it in forward and export the model again",
          source(), checkpoint::Quoted(declared.name), Name(declared.dtype), Name(output.dtype), Name(output.dtype));
    }
    declared.dtype = output.dtype;
    if (is_declared && !output.are_sizes_known) return absl::OkStatus();
    const tensor::Shape dims = DimsOf(output);
    if (!is_declared) {
      declared.dims = dims;
      return absl::OkStatus();
    }
    tensor::Shape own = declared.reshape.value_or(declared.dims);
    bool is_given = own.size() == dims.size();
    for (size_t i = 0; is_given && i < dims.size(); ++i) {
      if (own[i] == tensor::kAnyDim) own[i] = dims[i];
      is_given = dims[i] == tensor::kAnyDim || dims[i] == own[i];
    }
    if (declared.reshape.has_value()) {
      if (is_given) return absl::OkStatus();
      return Precondition(
          "config.pbtxt reshapes output {} from {}, and the program gives {}: write reshape {{ shape: [ {} ] }}, or "
          "none",
          checkpoint::Quoted(declared.name), tensor::ToString(own), tensor::ToString(dims), fmt::join(dims, ", "));
    }
    // As for Triton, what is declared is what clients are told, and dims: [ 1 ] is how a single number is declared.
    if (!is_given && !(dims.empty() && own == tensor::Shape{1})) {
      result_.warnings.push_back(
          fmt::format("{} declares output {} with dims {}, and the program gives {}: it is answered as the "
                      "program gives it",
                      source(), checkpoint::Quoted(declared.name), tensor::ToString(own), tensor::ToString(dims)));
    }
    declared.dims = is_given ? own : dims;
    return absl::OkStatus();
  }

  const ProgramSignature& program_;
  ProgramConfig result_;
  ProgramRows rows_;
  bool are_tensors_declared_ = false;
};

}  // namespace

absl::StatusOr<ProgramConfig> MergeProgram(const ProgramSignature& program, const ModelConfig& config) {
  return Merger(program, config).Run();
}

}  // namespace torchferry::plan
