#include "server/torch/run/torch_model.h"

#include <ATen/autocast_mode.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/passes/inliner.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/model/device_fault.h"
#include "server/model/raised.h"
#include "server/tensor/long_bytes.h"
#include "server/torch/device/convert.h"
#include "server/torch/device/device_stream.h"
#include "server/torch/device/model_messages.h"
#include "server/torch/device/runtime.h"
#include "server/torch/graph/copy_module.h"
#include "server/torch/graph/graph_walk.h"
#include "server/torch/graph/run_inline.h"
#include "server/torch/run/gather.h"
#include "server/torch/run/random_turn.h"
#include "server/torch/run/weight_bytes.h"

namespace torchferry::libtorch {
namespace {

// On an accelerator the first runs are one after another: they compile, and what they fold into constants is made on
// their own stream.
class FirstRuns {
 public:
  // Waits for the run's turn, and is to be kept for as long as the run lasts. Null where runs need not wait.
  std::unique_ptr<base::MutexLock> Begin(at::Device device) const {
    if (device.is_cpu() || begun_ >= kRuns) return nullptr;
    auto turn = std::make_unique<base::MutexLock>(mutex_);
    if (++begun_ > kRuns) turn.reset();
    return turn;
  }

 private:
  static constexpr int kRuns = 4;  // more than TorchScript's executor takes until its plan stands

  mutable base::Mutex mutex_;  // of the run that has its turn
  mutable std::atomic<int> begun_ = 0;
};

// What was found out of a module, and how it is run.
struct Traits {
  ModelSignature signature;
  std::optional<ModuleState> state;
  PrecisionBorder border;
  CodeOwner code;
  bool differentiates = false;
  bool keeps_or_writes_inputs = false;
  bool may_lease = false;  // a stream
  bool forks = false;
  RandomUse random = RandomUse::kNone;
  bool rows_are_first = false;  // in dimension 0 of each tensor
  uint64_t weight_bytes = 0;
};

// What a model and its copies have in common.
struct Shared : Traits {
  explicit Shared(Traits traits) : Traits(std::move(traits)) {}

  FirstRuns runs;
  mutable RandomState random_state;  // of the run that has its turn
};

// Whether it computes gradients, for which what it computes has to be recorded: forces as the derivative of an energy,
// say.
bool Differentiates(const torch::jit::Module& module) {
  return !WalkGraphs(module, [](const torch::jit::Node& node, const std::string&) {
            const std::string_view op = node.kind().toQualString();
            return op == "aten::grad" || op == "aten::backward" ? absl::CancelledError("found") : absl::OkStatus();
          }).ok();
}

// Whether LibTorch would run parts of it on other threads.
bool Forks(const torch::jit::Module& module) {
  return !WalkGraphs(module, [](const torch::jit::Node& node, const std::string&) {
            return node.kind() == c10::prim::fork ? absl::CancelledError("found") : absl::OkStatus();
          }).ok();
}

// Whether forward may write into an argument, in place; so may what AliasDb does not know.
bool WritesInputs(const torch::jit::Module& module) {
  const auto graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  try {
    const torch::jit::AliasDb aliases(graph);
    for (size_t i = 1; i < graph->inputs().size(); ++i) {
      if (aliases.hasWriters(graph->inputs()[i])) return true;
    }
    return false;
  } catch (const std::exception&) {
    return true;
  }
}

// Whether an argument holds tensors in a tuple, dict or list, through which AliasDb does not tell them apart.
bool TakesContainers(const ModelSignature& signature) {
  return std::ranges::any_of(signature.trees, [](const ArgumentNode& tree) {
    return !tree.parts.empty() || tree.input_kind == tensor::ArgumentKind::kTensorDict;
  });
}

bool RowsAreFirst(const tensor::Signature& signature) {
  return signature.HasBatchDimension() &&
         std::ranges::all_of(signature.inputs, [](const tensor::TensorSpec& spec) { return spec.row_dimension == 0; });
}

// Whether `output` lies in the request's memory, which goes away before it: forward gave back what it was given.
bool IsOf(const tensor::BoundInputs& request, const at::Tensor& output) {
  const auto* data = static_cast<const std::byte*>(output.const_data_ptr());
  return std::ranges::any_of(request.values, [&](const std::vector<tensor::HostTensor>& values) {
    return std::ranges::any_of(values, [&](const tensor::HostTensor& value) {
      return std::less_equal<>()(value.bytes.data(), data) &&
             std::less<>()(data, value.bytes.data() + value.bytes.size());
    });
  });
}

// How the calling thread computes as long as this lives: recording nothing, but for what differentiates.
class Mode {
 public:
  explicit Mode(bool differentiates) {
    if (differentiates) {
      gradients_.emplace(true);
    } else {
      inference_.emplace();
    }
  }

 private:
  std::optional<c10::InferenceMode> inference_;
  std::optional<c10::AutoGradMode> gradients_;
};

// BF16 where it gains, for the calling thread and as long as this lives.
class Autocast {
 public:
  explicit Autocast(bool is_on) : is_on_(is_on) {
    if (!is_on_) return;
    was_enabled_ = at::autocast::is_autocast_enabled(at::kCPU);
    was_type_ = at::autocast::get_autocast_dtype(at::kCPU);
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
    at::autocast::set_autocast_enabled(at::kCPU, true);
  }
  ~Autocast() {
    if (!is_on_) return;
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(at::kCPU, was_enabled_);
    at::autocast::set_autocast_dtype(at::kCPU, was_type_);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  const bool is_on_;
  bool was_enabled_ = false;
  at::ScalarType was_type_ = at::kBFloat16;
};

class TorchModel final : public model::Model {
 public:
  TorchModel(torch::jit::Module module, std::shared_ptr<const Shared> shared, tensor::DeviceId device)
      : shared_(std::move(shared)),
        signature_(shared_->signature),
        device_(std::move(device)),
        torch_device_(ToTorch(device_)),
        module_(std::move(module)),
        forward_(module_.get_method("forward")) {}

  const tensor::Signature& signature() const override { return signature_.signature; }
  const tensor::DeviceId& device() const override { return device_; }

  absl::StatusOr<std::vector<model::Outputs>> Predict(std::span<const tensor::BoundInputs* const> requests,
                                                      model::PhaseTimes& times) override {
    const bool has_batch_dimension = signature().HasBatchDimension();
    int64_t rows = 0;
    for (const tensor::BoundInputs* request : requests) rows += request->rows;
    TakeWarnings();
    try {
      const Mode mode(shared_->differentiates);
      const std::unique_ptr<base::MutexLock> turn = shared_->runs.Begin(torch_device_);
      StreamLease stream(torch_device_, shared_->may_lease);
      const base::TimePoint began = base::Clock::Real().Now();
      std::vector<c10::IValue> arguments =
          GatherArguments(signature_, requests, stream, shared_->border, shared_->keeps_or_writes_inputs);
      const base::TimePoint gathered = base::Clock::Real().Now();
      const c10::IValue result = Forward(std::move(arguments), *requests[0]);
      const base::TimePoint ran = base::Clock::Real().Now();
      FERRY_ASSIGN_OR_RETURN(
          auto outputs, NameOutputs(signature_, result, shared_->rows_are_first ? rows : 0, shared_->border, stream));
      for (auto& [name, output] : outputs) {
        const bool may_be_state = is_stateful() && output.nbytes() >= tensor::kLongBytes;  // which the next call writes
        if (may_be_state || IsOf(*requests[0], output)) output = output.clone();
      }
      std::vector<model::Outputs> split = SplitOutputs(outputs, requests, has_batch_dimension);
      times = {base::ToSeconds(gathered - began), base::ToSeconds(ran - gathered),
               base::ToSeconds(base::Clock::Real().Now() - ran)};
      return split;
    } catch (const std::exception& error) {
      return Raised(error);
    }
  }

  uint64_t weight_bytes() const override { return shared_->weight_bytes; }

  void ReleaseCachedMemory() override { TorchRuntime::ReleaseCachedMemory(device_); }

  bool is_stateful() const override { return shared_->state.has_value(); }

  absl::StatusOr<std::shared_ptr<model::Model>> Clone() const override {
    if (!is_stateful()) return model::Model::Clone();
    try {
      const c10::NoGradGuard guard;
      StreamLease stream(torch_device_, shared_->may_lease);
      auto copy = std::make_shared<TorchModel>(CopyModule(module_, *shared_->state), shared_, device_);
      stream.Synchronize();
      return copy;
    } catch (const std::exception& error) {
      return base::Annotate(StatusOf(error, absl::StatusCode::kInternal), "copying the model's state");
    }
  }

 private:
  c10::IValue Forward(std::vector<c10::IValue> arguments, const tensor::BoundInputs& first_request) {
    const RandomTurn turn(shared_->random, &shared_->random_state);
    c10::IValue result = Run(std::move(arguments));
    shared_->border.Learn(signature_, first_request);
    return result;
  }

  c10::IValue Run(std::vector<c10::IValue> arguments) {
    const Autocast autocast(shared_->border.autocast_bf16());
    if (!shared_->forks) return forward_(std::move(arguments));
    arguments.insert(arguments.begin(), module_._ivalue());
    return RunInline(forward_.function(), std::move(arguments));
  }

  absl::Status Raised(const std::exception& error) const {
    absl::Status status = StatusOf(error, absl::StatusCode::kInternal);
    const model::DeviceFault fault = model::DeviceFaultOf(status);
    // What the CPU cannot do, no other device is asked to.
    if (fault != model::DeviceFault::kNone && !(fault == model::DeviceFault::kUnsupported && device_.IsCpu()))
      return status;
    std::string undeclared;
    for (const tensor::TensorSpec& spec : signature().inputs) {
      if (!spec.shape.has_value() && tensor::IsOfTensors(spec.kind)) {
        undeclared += (undeclared.empty() ? "\"" : ", \"") + spec.name + "\"";
      }
    }
    return model::MarkRaised(base::MakeStatus(
        status.code(), "the model raised: {}{}", base::MessageOf(status),
        undeclared.empty() ? ""
                           : fmt::format(". Input {} is not declared in config.pbtxt; a declared dtype and shape are "
                                         "checked before the model runs",
                                         undeclared)));
  }

  const std::shared_ptr<const Shared> shared_;
  const ModelSignature& signature_;
  const tensor::DeviceId device_;
  const at::Device torch_device_;
  const torch::jit::Module module_;
  const torch::jit::Method forward_;
};

}  // namespace

std::shared_ptr<model::Model> MakeTorchModel(torch::jit::Module module, ModelSignature signature,
                                             tensor::DeviceId device, std::optional<ModuleState> state,
                                             PrecisionBorder border, CodeOwner code) {
  if (state.has_value()) {
    // Also fills what LibTorch computes at first use, the types of tuples, so that later copies
    // only read.
    const c10::NoGradGuard guard;
    CopyModule(module, *state);
  }
  SynchronizeStream(ToTorch(device));  // what it is made of was made on another stream than those it will run on
  // Streams do not wait for each other: where the memory of a state is given up by one run that another has made, all
  // of it is on the default one; so are forks, of which little is known.
  const bool forks = Forks(module);
  const bool has_state = state.has_value();
  const bool may_write = has_state || forks || WritesInputs(module) || TakesContainers(signature);
  const bool rows_are_first = RowsAreFirst(signature.signature);
  auto shared = std::make_shared<const Shared>(Traits{.signature = std::move(signature),
                                                      .state = std::move(state),
                                                      .border = std::move(border),
                                                      .code = std::move(code),
                                                      .differentiates = Differentiates(module),
                                                      .keeps_or_writes_inputs = may_write,
                                                      .may_lease = !forks && !has_state,
                                                      .forks = forks,
                                                      .random = RandomUseOf(module),
                                                      .rows_are_first = rows_are_first,
                                                      .weight_bytes = WeightBytes(module)});
  return std::make_shared<TorchModel>(std::move(module), std::move(shared), std::move(device));
}

}  // namespace torchferry::libtorch
