// "Did you mean …": the known name that a misspelt one is closest to.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace torchferry::config {

// The candidate nearest to `name`, letter case aside: few letters differ, or `name` is the end of
// it ("FP32" of "TYPE_FP32"). Nothing if none is near. The first of equals.
std::optional<std::string> NearestName(std::string_view name, std::span<const std::string> candidates);

}  // namespace torchferry::config
