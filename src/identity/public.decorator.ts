import { SetMetadata } from '@nestjs/common';

export const IS_PUBLIC = 'admit-one:public';
export const IS_UNLIMITED = 'admit-one:unlimited';

/** Marks one route as open to strangers. Everything else needs an access token: there is no list of paths. */
export const Public = () => SetMetadata(IS_PUBLIC, true);

/** Marks a route that is not counted per address, because it must answer while Redis is away. */
export const Unlimited = () => SetMetadata(IS_UNLIMITED, true);
