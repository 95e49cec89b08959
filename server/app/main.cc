// torchferry-server.
#include "server/app/run_server.h"

int main(int argc, char** argv) {
  std::vector<std::unique_ptr<torchferry::libtorch::DeviceProvider>> providers;
  providers.push_back(torchferry::libtorch::MakeCudaProvider());
  return torchferry::app::RunServer(argc, argv, std::move(providers));
}
