// What models print and warn of, as lines of our log: with the model's name, bounded in size and number.
#pragma once

namespace torchferry::libtorch {

// `print` of all models, from now on. LibTorch's own way is to write to stdout, as it comes.
void TakePrints();

// Warnings of the calling thread, from now on: LibTorch asks each thread. Costs a store.
void TakeWarnings();

}  // namespace torchferry::libtorch
