// "Did you mean …": finds the known name that is closest to a misspelt one.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace torchferry::config {

// The candidate nearest to `name`, ignoring letter case. Few letters differ, or `name` is the end of the candidate
// ("FP32" of "TYPE_FP32"). If several are equally near, it is the first. Nothing if none is near.
std::optional<std::string> NearestName(std::string_view name, std::span<const std::string> candidates);

}  // namespace torchferry::config
