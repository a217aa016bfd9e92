/* A stranger's first program, in C11: the header and the library, nothing else. */
#include <stdio.h>
#include <voip.h>

int main(void)
{
    voip_config *config = NULL;
    voip_phone *phone = NULL;
    if (voip_config_new(&config) != VOIP_OK) return 1;
    if (voip_config_set_bind(config, "127.0.0.1", 0) != VOIP_OK) return 1;
    if (voip_phone_new(config, &phone) != VOIP_OK) return 1;
    printf("libvoip %s, C %ld\n", voip_version(), (long)__STDC_VERSION__);
    voip_phone_free(phone);
    voip_config_free(config);
    return 0;
}
