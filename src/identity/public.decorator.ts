import { SetMetadata } from '@nestjs/common';

export const IS_PUBLIC = 'admit-one:public';

/** Marks one route as open to strangers. Everything else needs an access token: there is no list of paths. */
export const Public = () => SetMetadata(IS_PUBLIC, true);
