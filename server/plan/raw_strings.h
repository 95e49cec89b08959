// Python's r"" and u"" in a forward.py, which TorchScript's parser does not know.
#pragma once

#include <string>

namespace torchferry::plan {

// `source` with such strings, where they have no backslash, as strings without the letter: a space stands behind each,
// so that lines and their beginnings stay. Others stay as they are.
std::string WithoutStringPrefixes(std::string source);

}  // namespace torchferry::plan
