// A table for people, on stdout.
#pragma once

#include <string>
#include <vector>

namespace torchferry::app {

// Columns are as wide as their widest cell, with two spaces between them. The last column is not padded, and nothing is
// cut off. All of `lines` have the same number of cells. Control characters are escaped. Pure.
std::string TextTable(const std::vector<std::vector<std::string>>& lines);

}  // namespace torchferry::app
