// A forward.py to start from: every tensor of a state_dict by its right name, in calls that its shape suggests.
#pragma once

#include <string>

#include "client/inspect/inspection.h"

namespace torchferry::client {

// Compiles on the server; what cannot be known from shapes (order, activations, strides, heads) is left to whoever
// knows the model, with a comment where a guess was made.
std::string ScaffoldForward(const Inspection& inspection);

}  // namespace torchferry::client
