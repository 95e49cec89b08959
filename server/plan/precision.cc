#include "server/plan/precision.h"

#include <fmt/format.h>

#include <algorithm>

namespace torchferry::plan {
namespace {

class Planner {
 public:
  Planner(std::span<const tensor::DType> saved, const tensor::DeviceId& device, bool has_native_bf16)
      : saved_(saved), device_(device), has_native_bf16_(has_native_bf16) {}

  PrecisionPlan Run(config::Precision wanted) {
    switch (wanted) {
      case config::Precision::kAuto:
        Auto();
        break;
      case config::Precision::kKeep:
        Say("as saved, as precision is KEEP");
        break;
      case config::Precision::kFp32:
        Cast({tensor::DType::kFp16, tensor::DType::kBf16}, tensor::DType::kFp32);
        Say("as precision is FP32");
        break;
      case config::Precision::kFp16:
        Fp16();
        break;
      case config::Precision::kBf16:
        Bf16();
        break;
    }
    plan_.computes_in = ComputesIn();
    if (!plan_.decision.empty()) plan_.decision = fmt::format("precision {}: {}", plan_.computes_in, plan_.decision);
    return std::move(plan_);
  }

 private:
  void Auto() {
    if (!device_.IsCpu()) return;
    if (Has(tensor::DType::kFp16)) {
      Cast({tensor::DType::kFp16}, tensor::DType::kFp32);
      Say("the weights are FP16, which a CPU computes slowly or not at all");
    }
    if (!Has(tensor::DType::kBf16)) return;
    if (has_native_bf16_) {
      if (plan_.from.empty()) Say("the weights are BF16, which this CPU computes natively");
      return;
    }
    Cast({tensor::DType::kFp16, tensor::DType::kBf16}, tensor::DType::kFp32);
    Say("the weights are BF16, which this CPU does not compute natively");
  }

  void Fp16() {
    if (!device_.IsCpu()) {
      Cast({tensor::DType::kFp32, tensor::DType::kBf16}, tensor::DType::kFp16);
      return Say("as precision is FP16");
    }
    Cast({tensor::DType::kFp16, tensor::DType::kBf16}, tensor::DType::kFp32);
    Say("precision is FP16, which a CPU computes slowly or not at all");
  }

  void Bf16() {
    if (!device_.IsCpu()) {
      Cast({tensor::DType::kFp32, tensor::DType::kFp16}, tensor::DType::kBf16);
      return Say("as precision is BF16");
    }
    if (!has_native_bf16_) {
      Cast({tensor::DType::kFp16, tensor::DType::kBf16}, tensor::DType::kFp32);
      return Say("precision is BF16, which this CPU does not compute natively");
    }
    Cast({tensor::DType::kFp16}, tensor::DType::kFp32);
    plan_.autocast_bf16 = Has(tensor::DType::kFp32) || Has(tensor::DType::kFp16);
    Say(plan_.autocast_bf16 ? "by autocast, as precision is BF16" : "as precision is BF16");
  }

  // Those of `types` that the file has.
  void Cast(const std::vector<tensor::DType>& types, tensor::DType to) {
    plan_.from.clear();
    std::ranges::copy_if(types, std::back_inserter(plan_.from), [this](tensor::DType type) { return Has(type); });
    plan_.to = to;
  }

  void Say(std::string why) { plan_.decision = std::move(why); }

  bool Has(tensor::DType type) const { return std::ranges::find(saved_, type) != saved_.end(); }

  std::string ComputesIn() const {
    if (plan_.autocast_bf16) return std::string(Name(tensor::DType::kBf16));
    std::vector<std::string_view> names;
    for (const tensor::DType saved : saved_) {
      const bool is_cast = std::ranges::find(plan_.from, saved) != plan_.from.end();
      const std::string_view name = Name(is_cast ? plan_.to : saved);
      if (tensor::IsFloating(saved) && std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
    return fmt::format("{}", fmt::join(names, ", "));
  }

  const std::span<const tensor::DType> saved_;
  const tensor::DeviceId& device_;
  const bool has_native_bf16_;
  PrecisionPlan plan_;
};

}  // namespace

PrecisionPlan PlanPrecision(config::Precision wanted, std::span<const tensor::DType> saved,
                            const tensor::DeviceId& device, bool has_native_bf16) {
  return Planner(saved, device, has_native_bf16).Run(wanted);
}

}  // namespace torchferry::plan
