#include "server/plan/precision.h"

#include <fmt/format.h>

#include <algorithm>

namespace torchferry {
namespace {

class Planner {
 public:
  Planner(std::span<const DType> saved, const DeviceId& device, bool has_native_bf16)
      : saved_(saved), device_(device), has_native_bf16_(has_native_bf16) {}

  PrecisionPlan Run(Precision wanted) {
    switch (wanted) {
      case Precision::kAuto:
        Auto();
        break;
      case Precision::kKeep:
        Say("as saved, as precision is KEEP");
        break;
      case Precision::kFp32:
        Cast({DType::kFp16, DType::kBf16}, DType::kFp32);
        Say("as precision is FP32");
        break;
      case Precision::kFp16:
        Fp16();
        break;
      case Precision::kBf16:
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
    if (Has(DType::kFp16)) {
      Cast({DType::kFp16}, DType::kFp32);
      Say("the weights are FP16, which a CPU computes slowly or not at all");
    }
    if (!Has(DType::kBf16)) return;
    if (has_native_bf16_) {
      if (plan_.from.empty()) Say("the weights are BF16, which this CPU computes natively");
      return;
    }
    Cast({DType::kFp16, DType::kBf16}, DType::kFp32);
    Say("the weights are BF16, which this CPU does not compute natively");
  }

  void Fp16() {
    if (!device_.IsCpu()) {
      Cast({DType::kFp32, DType::kBf16}, DType::kFp16);
      return Say("as precision is FP16");
    }
    Cast({DType::kFp16, DType::kBf16}, DType::kFp32);
    Say("precision is FP16, which a CPU computes slowly or not at all");
  }

  void Bf16() {
    if (!device_.IsCpu()) {
      Cast({DType::kFp32, DType::kFp16}, DType::kBf16);
      return Say("as precision is BF16");
    }
    if (!has_native_bf16_) {
      Cast({DType::kFp16, DType::kBf16}, DType::kFp32);
      return Say("precision is BF16, which this CPU does not compute natively");
    }
    Cast({DType::kFp16}, DType::kFp32);
    plan_.autocast_bf16 = Has(DType::kFp32) || Has(DType::kFp16);
    Say(plan_.autocast_bf16 ? "by autocast, as precision is BF16" : "as precision is BF16");
  }

  // Those of `types` that the file has.
  void Cast(const std::vector<DType>& types, DType to) {
    plan_.from.clear();
    std::ranges::copy_if(types, std::back_inserter(plan_.from), [this](DType type) { return Has(type); });
    plan_.to = to;
  }

  void Say(std::string why) { plan_.decision = std::move(why); }

  bool Has(DType type) const { return std::ranges::find(saved_, type) != saved_.end(); }

  std::string ComputesIn() const {
    if (plan_.autocast_bf16) return std::string(Name(DType::kBf16));
    std::vector<std::string_view> names;
    for (const DType saved : saved_) {
      const bool is_cast = std::ranges::find(plan_.from, saved) != plan_.from.end();
      const std::string_view name = Name(is_cast ? plan_.to : saved);
      if (IsFloating(saved) && std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
    return fmt::format("{}", fmt::join(names, ", "));
  }

  const std::span<const DType> saved_;
  const DeviceId& device_;
  const bool has_native_bf16_;
  PrecisionPlan plan_;
};

}  // namespace

PrecisionPlan PlanPrecision(Precision wanted, std::span<const DType> saved, const DeviceId& device,
                            bool has_native_bf16) {
  return Planner(saved, device, has_native_bf16).Run(wanted);
}

}  // namespace torchferry
