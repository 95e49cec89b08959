// A tensor's name as Python source.
#pragma once

#include <string>

namespace torchferry::client {

// "layers.0.fc" → `self.layers[0].fc`; parts that are no identifiers by getattr.
std::string AttributePath(const std::string& name);

}  // namespace torchferry::client
