// A table for people, on stdout.
#pragma once

#include <string>
#include <vector>

namespace torchferry::app {

// Columns are as wide as their widest cell, with two spaces between them. The last one is not filled up, and nothing is
// cut off. All of `lines` have as many cells. Control characters are written out. Pure.
std::string TextTable(const std::vector<std::vector<std::string>>& lines);

}  // namespace torchferry::app
