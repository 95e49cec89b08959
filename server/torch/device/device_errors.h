// LibTorch's exceptions as device faults, by type and by text: the interpreter keeps the text of what it caught and
// loses its type.
#pragma once

#include <exception>
#include <string_view>

#include "server/model/device_fault.h"

namespace torchferry::libtorch {

// Of an exception that a forward pass, a copy or an allocation threw. What the model's own code raises is kNone,
// whatever it says.
model::DeviceFault FaultOf(const std::exception& error);

// Of a message without traceback: as FaultOf, by its beginning alone.
model::DeviceFault FaultOfMessage(std::string_view message);

}  // namespace torchferry::libtorch
