import { SetMetadata } from '@nestjs/common';

export const IS_PUBLIC = 'admit-one:public';
export const IS_UNLIMITED = 'admit-one:unlimited';

/** Marks a route that needs no access token. All others need one: there is no list of paths. */
export const Public = () => SetMetadata(IS_PUBLIC, true);

/** Marks a route that is not counted per address, because it must answer while Redis is down. */
export const Unlimited = () => SetMetadata(IS_UNLIMITED, true);
