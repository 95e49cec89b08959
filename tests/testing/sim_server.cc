// torchferry-server with the simulated accelerator beside CUDA.
#include "server/app/run_server.h"
#include "tests/testing/sim_provider.h"

int main(int argc, char** argv) {
  std::vector<std::unique_ptr<torchferry::libtorch::DeviceProvider>> providers;
  providers.push_back(torchferry::libtorch::MakeCudaProvider());
  providers.push_back(torchferry::sim::MakeProvider());
  return torchferry::app::RunServer(argc, argv, std::move(providers));
}
