// A stranger's first program, in C++17: both headers together.
#include <iostream>
#include <voip.h>
#include <voip.hpp>

int main()
{
    voip_config *config = nullptr;
    if (voip_config_new(&config) != VOIP_OK) return 1;
    voip_config_free(config);
    std::cout << "libvoip " << voip_version() << ", C++ " << __cplusplus << "\n";
    return 0;
}
