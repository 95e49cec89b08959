// Classifies LibTorch's exceptions as device faults, by type and by text: the interpreter keeps an exception's text and
// loses its type.
#pragma once

#include <exception>
#include <string_view>

#include "server/model/device_fault.h"

namespace torchferry::libtorch {

// The fault behind an exception that a forward pass, a copy or an allocation threw. An exception that the model's own
// code raised is kNone, whatever its text.
model::DeviceFault FaultOf(const std::exception& error);

// As FaultOf, for a message without traceback, by its beginning alone.
model::DeviceFault FaultOfMessage(std::string_view message);

}  // namespace torchferry::libtorch
