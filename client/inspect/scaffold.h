// Writes a forward.py to start from: it uses each tensor of a state_dict by its right name, in calls that its shape
// suggests.
#pragma once

#include <string>

#include "client/inspect/inspection.h"

namespace torchferry::client {

// The text compiles on the server. Facts that shapes do not tell (order, activations, strides, heads) are left to the
// model's author. A comment marks each guess.
std::string ScaffoldForward(const Inspection& inspection);

}  // namespace torchferry::client
