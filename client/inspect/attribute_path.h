// A tensor's name, written as Python source.
#pragma once

#include <string>

namespace torchferry::client {

// "layers.0.fc" → `self.layers[0].fc`; parts that are not identifiers use getattr.
std::string AttributePath(const std::string& name);

}  // namespace torchferry::client
