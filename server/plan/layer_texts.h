// The texts of the layer library (layer_library.h), in the language of constructors.
#pragma once

#include <string_view>

namespace torchferry::plan {

extern const std::string_view kDenseLayers;        // Linear, Embedding, containers, shapes
extern const std::string_view kConvolutionLayers;  // Conv, ConvTranspose, Upsample, padding
extern const std::string_view kNormLayers;         // BatchNorm, LayerNorm and so on
extern const std::string_view kPoolLayers;
extern const std::string_view kActivationLayers;  // with Dropout, which does nothing here
extern const std::string_view kRecurrentLayers;
extern const std::string_view kAttentionLayers;

}  // namespace torchferry::plan
