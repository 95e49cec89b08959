#include "tests/testing/sim_backend.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/ScopeExit.h>
#include <torch/library.h>

#include <cstring>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/testing/sim_device.h"
#include "tests/testing/sim_streams.h"

namespace torchferry::sim {
namespace {

constexpr c10::DeviceType kType = c10::DeviceType::PrivateUse1;
thread_local c10::DeviceIndex current_device = 0;
// An operator computes by the CPU's: what it copies on the way is no copy of the device.
thread_local bool is_computing = false;

struct Block {
  int device;
  void* memory;
  size_t bytes;
};

class Allocator final : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    const int device = current_device;
    void* memory = Devices::Get().Allocate(device, bytes);
    const auto free = [](void* context) {
      const auto* block = static_cast<Block*>(context);
      Devices::Get().Free(block->device, block->memory, block->bytes);
      delete block;
    };
    return {memory, new Block{device, memory, bytes}, free, c10::Device(kType, static_cast<c10::DeviceIndex>(device))};
  }
  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }

  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override { return {}; }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex) override {}
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex device) override {
    const Usage usage = Devices::Get().GetUsage(device);
    return {usage.capacity_bytes - usage.bytes_in_use, usage.capacity_bytes};
  }
};

Allocator* GetAllocator() {
  static auto* const allocator = new Allocator;
  return allocator;
}

class GuardImpl final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return kType; }
  c10::Device exchangeDevice(c10::Device device) const override {
    const c10::Device before = getDevice();
    setDevice(device);
    return before;
  }
  c10::Device getDevice() const override { return {kType, current_device}; }
  void setDevice(c10::Device device) const override {
    TORCH_CHECK(device.index() < Devices::Get().count(), "SIM error: invalid device ordinal");
    if (device.has_index()) current_device = device.index();
  }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    if (device.has_index()) current_device = device.index();
  }
  c10::Stream getStream(c10::Device device) const noexcept override {
    return StreamOf(device, Streams::Current(IndexOf(device)));
  }
  c10::Stream getDefaultStream(c10::Device device) const override { return StreamOf(device, Streams::kDefault); }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool) const override {
    return StreamOf(device, Streams::Get().Take(IndexOf(device)));
  }
  c10::Stream exchangeStream(c10::Stream stream) const noexcept override {
    return StreamOf(stream.device(), Streams::Exchange(stream.device_index(), stream.id()));
  }
  void synchronizeStream(const c10::Stream& stream) const override {
    Streams::Get().Wait(stream.device_index(), stream.id());
  }
  c10::DeviceIndex deviceCount() const noexcept override {
    return static_cast<c10::DeviceIndex>(Devices::Get().count());
  }
  void synchronizeDevice(const c10::DeviceIndex device) const override { Streams::Get().WaitForAll(device); }

 private:
  static int IndexOf(c10::Device device) { return device.has_index() ? device.index() : current_device; }
  static c10::Stream StreamOf(c10::Device device, int64_t id) {
    return c10::Stream(c10::Stream::UNSAFE, c10::Device(kType, static_cast<c10::DeviceIndex>(IndexOf(device))), id);
  }
};

class Hooks final : public at::PrivateUse1HooksInterface {
 public:
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return Devices::Get().count() > 0; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return static_cast<c10::DeviceIndex>(Devices::Get().count()); }
  void init() const override {}
  bool isPinnedPtr(const void* data) const override { return IsPinned(data); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return GetPinnedAllocator(); }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override {
    return at::detail::getDefaultCPUGenerator();
  }
};

int64_t RowsOf(at::IntArrayRef sizes) { return sizes.empty() ? 1 : sizes[0]; }

at::Tensor Empty(at::IntArrayRef sizes, std::optional<at::ScalarType> type, std::optional<at::Layout>,
                 std::optional<at::Device> device, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  const c10::DeviceGuard guard(device.value_or(c10::Device(kType)));
  Devices::Get().CheckRows(current_device, RowsOf(sizes));
  return at::detail::empty_generic(sizes, GetAllocator(), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                   type.value_or(at::kFloat), format);
}

at::Tensor EmptyStrided(at::IntArrayRef sizes, at::IntArrayRef strides, std::optional<at::ScalarType> type,
                        std::optional<at::Layout>, std::optional<at::Device> device, std::optional<bool>) {
  const c10::DeviceGuard guard(device.value_or(c10::Device(kType)));
  Devices::Get().CheckRows(current_device, RowsOf(sizes));
  return at::detail::empty_strided_generic(
      sizes, strides, GetAllocator(), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), type.value_or(at::kFloat));
}

// The memory of a tensor of ours as a tensor of the CPU.
at::Tensor OnCpu(const at::Tensor& tensor) {
  auto* data = static_cast<char*>(tensor.storage().mutable_data()) + tensor.storage_offset() * tensor.itemsize();
  at::Tensor on_cpu = at::from_blob(data, tensor.sizes(), tensor.strides(), at::TensorOptions().dtype(tensor.dtype()));
  if (tensor.is_conj()) on_cpu = at::conj(on_cpu);
  return tensor.is_neg() ? at::_neg_view(on_cpu) : on_cpu;
}

// A tensor's memory without the marks that say to conjugate or negate what is there.
at::Tensor Unmarked(at::Tensor tensor) {
  if (tensor.is_conj()) tensor = at::conj(tensor);
  return tensor.is_neg() ? at::_neg_view(tensor) : tensor;
}

void CopyNow(const at::Tensor& from, const at::Tensor& to) {
  const at::AutoDispatchBelowADInplaceOrView below;
  (to.is_cpu() ? to : OnCpu(to)).copy_(from.is_cpu() ? from : OnCpu(from));
}

// What is in memory that nobody has written to yet.
void Spoil(const at::Tensor& tensor) {
  if (tensor.is_contiguous() && tensor.storage_offset() == 0)
    std::memset(tensor.storage().mutable_data(), 0xA5, tensor.nbytes());
}

at::Tensor CopyFrom(const at::Tensor& from, const at::Tensor& to, bool is_non_blocking) {
  const int device = (from.is_cpu() ? to : from).device().index();
  const bool crosses = from.is_cpu() || to.is_cpu();
  if (is_computing) {
    CopyNow(from, to);
  } else if (crosses && is_non_blocking && IsPinned((from.is_cpu() ? from : to).const_data_ptr())) {
    Spoil(to);
    const at::Tensor source = Unmarked(from);
    const at::Tensor target = Unmarked(to);
    Streams::Get().Later(device, Streams::Current(device), [device, source, target] {
      Devices::Get().Copy(device);
      CopyNow(source, target);
    });
    // As CUDA does: at once, whether or not the bytes have come.
    if (to.is_cpu() && from.is_conj() != to.is_conj()) target.conj_physical_();
    if (to.is_cpu() && from.is_neg() != to.is_neg()) target.neg_();
  } else {
    if (crosses) Streams::Get().CountBlockingCopy(device);
    Streams::Get().RunCurrent(device);
    if (to.is_cpu()) Devices::Get().Wait(device);
    Devices::Get().Copy(device);
    CopyNow(from, to);
  }
  return to;
}

at::Tensor CopyFromAndResize(const at::Tensor& from, const at::Tensor& to) {
  if (from.sizes() != to.sizes()) to.resize_(from.sizes());
  return CopyFrom(from, to, false);
}

const at::Tensor& Resize(const at::Tensor& self, at::SymIntArrayRef sizes, std::optional<at::MemoryFormat>) {
  const auto concrete = C10_AS_INTARRAYREF_SLOW(sizes);
  const size_t bytes = c10::multiply_integers(concrete) * self.itemsize();
  auto* impl = self.unsafeGetTensorImpl();
  if (self.storage().nbytes() < bytes) {
    const c10::DeviceGuard guard(self.device());
    impl->unsafe_storage().set_data_ptr_noswap(GetAllocator()->allocate(bytes));
    impl->unsafe_storage().set_nbytes(bytes);
  }
  impl->set_sizes_contiguous(concrete);
  return self;
}

at::Tensor& SetSource(at::Tensor& self, c10::Storage source, int64_t offset, at::IntArrayRef sizes,
                      at::IntArrayRef strides) {
  auto* impl = self.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(std::move(source));
  impl->set_storage_offset(offset);
  impl->set_sizes_and_strides(sizes, strides);
  return self;
}

at::Tensor& SetWholeSource(at::Tensor& self, c10::Storage source) {
  const auto elements = static_cast<int64_t>(source.nbytes() / self.itemsize());
  return SetSource(self, std::move(source), 0, {elements}, {1});
}

// Operators that take a tensor of the CPU beside ours, on a real device too.
bool TakesCpuTensors(const std::string& name) {
  static const std::set<std::string> names = {"aten::_index_put_impl_", "aten::copy_", "aten::index_put_",
                                              "aten::_pack_padded_sequence", "aten::_pad_packed_sequence"};
  return names.contains(name);
}

// The device of an operator's tensors. A real accelerator cannot read another one's memory, nor the host's (numbers,
// tensors without dimensions, are passed by value).
int DeviceOf(const c10::OperatorHandle& op, const torch::jit::Stack& stack) {
  std::optional<c10::Device> first;
  const auto look = [&](const at::Tensor& tensor) {
    if (!tensor.defined() || (tensor.is_cpu() && (tensor.dim() == 0 || TakesCpuTensors(op.schema().name())))) return;
    if (!first.has_value()) first = tensor.device();
    TORCH_CHECK(*first == tensor.device(), op.schema().name(),
                ": Expected all tensors to be on the same device, but found at least two devices, ", *first, " and ",
                tensor.device(), "!");
  };
  for (const c10::IValue& value : torch::jit::last(stack, op.schema().arguments().size())) {
    if (value.isTensor()) look(value.toTensor());
    if (value.isTensorList()) {
      for (const at::Tensor& tensor : value.toTensorVector()) look(tensor);
    }
  }
  return first.has_value() && !first->is_cpu() ? first->index() : current_device;
}

bool IsProduct(const std::string& name) {
  static const std::set<std::string> names = {"aten::addmm",   "aten::mm",    "aten::bmm",
                                              "aten::baddbmm", "aten::addmv", "aten::mv"};
  return names.contains(name);
}

// What a broken kernel would give, where the device is told to have one.
void SpoilProduct(int device, const at::Tensor& product) {
  if (!product.is_floating_point() || !Devices::Get().HasWrongProducts(device)) return;
  OnCpu(product).mul_(1 + 1.0 / 16);
}

void Fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const int device = DeviceOf(op, *stack);
  const c10::DeviceGuard guard(c10::Device(kType, static_cast<c10::DeviceIndex>(device)));
  Devices::Get().Run(device);
  Streams::Get().RunCurrent(device);
  if (op.schema().name() == "aten::_pack_padded_sequence") {
    TORCH_CHECK(torch::jit::peek(*stack, 1, op.schema().arguments().size()).toTensor().is_cpu(),
                "'lengths' argument should be a 1D CPU int64 tensor, but got a tensor of ", c10::Device(kType, device));
  }
  const bool was_computing = std::exchange(is_computing, true);
  const auto restore = c10::make_scope_exit([was_computing] { is_computing = was_computing; });
  at::native::cpu_fallback(op, stack);
  if (IsProduct(op.schema().name()) && !stack->empty() && stack->back().isTensor()) {
    SpoilProduct(device, stack->back().toTensor());
  }
  // Batch sizes and lengths come on the host, as everywhere.
  if (op.schema().name() == "aten::_pack_padded_sequence" || op.schema().name() == "aten::_pad_packed_sequence") {
    c10::IValue& sizes = stack->back();
    sizes = sizes.toTensor().to(at::kCPU);
  }
}

at::Tensor Convolution(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                       at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                       at::IntArrayRef output_padding, int64_t groups) {
  TORCH_CHECK(input.device() == weight.device(),
              "Expected all tensors to be on the same device, but found at least two devices, ", input.device(),
              " and ", weight.device(), "!");
  Devices::Get().Run(input.device().index());
  Streams::Get().RunCurrent(input.device().index());
  const std::optional<at::Tensor> cpu_bias =
      bias.has_value() && bias->defined() ? std::optional(OnCpu(*bias)) : std::nullopt;
  at::Tensor output = at::convolution(OnCpu(input), OnCpu(weight), cpu_bias, stride, padding, dilation, transposed,
                                      output_padding, groups)
                          .to(input.device());
  SpoilProduct(input.device().index(), output);
  return output;
}

// Indices may be on the host, as on a real device.
at::Tensor Index(const at::Tensor& self, const c10::List<std::optional<at::Tensor>>& indices) {
  Devices::Get().Run(self.device().index());
  Streams::Get().RunCurrent(self.device().index());
  c10::List<std::optional<at::Tensor>> on_cpu;
  for (const std::optional<at::Tensor> index : indices) {
    const bool is_ours = index.has_value() && index->defined() && !index->is_cpu();
    TORCH_CHECK(!is_ours || index->device() == self.device(),
                "indices should be either on cpu or on the same device as the "
                "indexed tensor (",
                self.device(), ")");
    on_cpu.push_back(is_ours ? std::optional(OnCpu(*index)) : index);
  }
  return at::index(OnCpu(self), on_cpu).to(self.device());
}

// The implementation in terms of other operators: there is no fused kernel.
int64_t FusedAttentionChoice(const at::Tensor&, const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                             double, bool, std::optional<double>, bool) {
  return 0;
}

// Which LibTorch asks of every device but the CPU. i, f, g and o are the gates.
std::tuple<at::Tensor, at::Tensor, at::Tensor> LstmCell(const at::Tensor& input_gates, const at::Tensor& hidden_gates,
                                                        const at::Tensor& cx,
                                                        const std::optional<at::Tensor>& input_bias,
                                                        const std::optional<at::Tensor>& hidden_bias) {
  at::Tensor gates = input_gates + hidden_gates;
  if (input_bias.has_value() && input_bias->defined()) gates = gates + *input_bias;
  if (hidden_bias.has_value() && hidden_bias->defined()) gates = gates + *hidden_bias;
  const std::vector<at::Tensor> parts = gates.chunk(4, 1);
  const at::Tensor cy = parts[1].sigmoid() * cx + parts[0].sigmoid() * parts[2].tanh();
  return {parts[3].sigmoid() * cy.tanh(), cy, gates};
}

// r, z and n are the gates.
std::tuple<at::Tensor, at::Tensor> GruCell(const at::Tensor& input_gates, const at::Tensor& hidden_gates,
                                           const at::Tensor& hx, const std::optional<at::Tensor>& input_bias,
                                           const std::optional<at::Tensor>& hidden_bias) {
  const auto with = [](const at::Tensor& gates, const std::optional<at::Tensor>& bias) {
    return (bias.has_value() && bias->defined() ? gates + *bias : gates).chunk(3, 1);
  };
  const std::vector<at::Tensor> input = with(input_gates, input_bias);
  const std::vector<at::Tensor> hidden = with(hidden_gates, hidden_bias);
  const at::Tensor r = (input[0] + hidden[0]).sigmoid();
  const at::Tensor z = (input[1] + hidden[1]).sigmoid();
  const at::Tensor n = (input[2] + r * hidden[2]).tanh();
  return {(hx - n) * z + n, at::cat({r, z, n}, 1)};
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", &Empty);
  m.impl("empty_strided", &EmptyStrided);
  m.impl("_copy_from", &CopyFrom);
  m.impl("_copy_from_and_resize", &CopyFromAndResize);
  m.impl("resize_", &Resize);
  m.impl("set_.source_Storage_storage_offset", &SetSource);
  m.impl("set_.source_Storage", &SetWholeSource);
  m.impl("as_strided",
         [](const at::Tensor& t, at::IntArrayRef sizes, at::IntArrayRef strides, std::optional<int64_t> offset) {
           return at::native::as_strided_tensorimpl(t, sizes, strides, offset);
         });
  m.impl("view", [](const at::Tensor& t, at::IntArrayRef sizes) { return at::native::view(t, sizes); });
  m.impl("_reshape_alias", [](const at::Tensor& t, at::IntArrayRef sizes, at::IntArrayRef strides) {
    return at::native::_reshape_alias(t, sizes, strides);
  });
  m.impl("convolution_overrideable", &Convolution);
  m.impl("index.Tensor", &Index);
  m.impl("_fused_sdp_choice", &FusedAttentionChoice);
  m.impl("_thnn_fused_lstm_cell", &LstmCell);
  m.impl("_thnn_fused_gru_cell", &GruCell);
}

// CopyFrom sees such marks itself.
TORCH_LIBRARY_IMPL(aten, Conjugate, m) { m.impl("_copy_from", torch::CppFunction::makeFallthrough()); }
TORCH_LIBRARY_IMPL(aten, Negative, m) { m.impl("_copy_from", torch::CppFunction::makeFallthrough()); }

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&Fallback>()); }

C10_REGISTER_GUARD_IMPL(PrivateUse1, GuardImpl)

}  // namespace

void RegisterBackend() {
  static std::once_flag once;
  std::call_once(once, [] {
    c10::register_privateuse1_backend("sim");
    c10::SetAllocator(kType, GetAllocator());
    at::RegisterPrivateUse1HooksInterface(new Hooks);
  });
}

}  // namespace torchferry::sim
