// A tensor's values in one line of a table.
#pragma once

#include <string>

#include "client/tensor/array.h"

namespace torchferry::client {

// Up to 16 elements are shown whole, as nested lists. Larger arrays show the first five and a summary: "0.12, 0.5, 0.3,
// 0.1, 0.9, … min 0.01 max 0.97 mean 0.2". Numbers have six significant digits.
std::string ValuesText(const Array& array);

}  // namespace torchferry::client
